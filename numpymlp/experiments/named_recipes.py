"""The named recipes: the rungs of the ladder of accuracy, each beside a published result.

`ladder.py` trains them over several seeds, and `results.py` makes the table.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from numpymlp.experiments.recipes import Recipe
from numpymlp.validation import InputError, check_choice


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe with its place in the ladder of accuracy.

    Attributes
    ----------
    name : str
    recipe : Recipe
    adds : str
        What it adds to the recipe before it.
    published, source : str
        Test error on MNIST published for a similar network, with the network, and where.
    seeds : int
        Number of runs over which its accuracy is averaged.
    members : tuple of NamedRecipe
        Of a committee, the recipes whose runs it averages; `recipe` is that of the first.
    """

    name: str
    recipe: Recipe
    adds: str
    published: str = ""
    source: str = ""
    seeds: int = 5
    members: tuple[NamedRecipe, ...] = ()

    @property
    def committee(self) -> bool:
        """Whether it averages the probabilities of other recipes' runs."""
        return bool(self.members)


_LECUN = "LeCun, Bottou, Bengio, Haffner 1998"
_SIMARD = "Simard, Steinkraus, Platt 2003"
_CLASSIC = Recipe(
    hidden=(100,),
    learning_rate=1e-3,
    schedule="constant",
    batch_size=200,
    epochs=62,  # where scikit-learn's stopping rule ends on 50,000 images
    l2=1e-4 / 200,  # scikit-learn divides its alpha, 1e-4, by the batch size
)
_DROPOUT = Recipe(
    hidden=(800, 800), dropout=0.5, input_dropout=0.2, max_norm=2.0,
    learning_rate=3e-3, batch_size=128, epochs=40,
)  # fmt: skip
# 64 views: chosen on held-out images, see tutorials/results/averaging.md.
_AFFINE = Recipe(
    hidden=(800,), learning_rate=2e-3, batch_size=128, epochs=40,
    shift=1.0, rotation=10.0, scaling=0.1, average=64,
)  # fmt: skip
# Simard's alpha of 34 is too strong for 800 units in 80 epochs: on held-out images, 20 with larger
# rotation and scaling was better.
_ELASTIC = dataclasses.replace(_AFFINE, epochs=80, rotation=15.0, scaling=0.15, elastic=20.0)
_LENET = Recipe(
    model="lenet", filters=(16, 32), hidden=(128,), dropout=0.4,
    learning_rate=4e-3, batch_size=128, epochs=8,
)  # fmt: skip
_LENET_ELASTIC = dataclasses.replace(
    _LENET, hidden=(256,), dropout=0.0, optimizer="adamw", weight_decay=0.1,
    learning_rate=3e-3, epochs=40, shift=1.0, rotation=15.0, scaling=0.15, elastic=28.0, sigma=5.0,
    average=64,
)  # fmt: skip
_LENET_WEAK = dataclasses.replace(_LENET_ELASTIC, hidden=(128,), elastic=20.0, sigma=4.0)
_LENET_STRONG = dataclasses.replace(
    _LENET_ELASTIC, hidden=(512,), scaling=0.2, elastic=36.0, sigma=5.5
)
# The best on held-out images of the trials in tutorials/results/trials.csv.
_RECORD = dataclasses.replace(
    _ELASTIC, hidden=(1500, 1000, 500), dropout=0.1, optimizer="adamw", weight_decay=0.1,
    learning_rate=3e-3, batch_size=256, epochs=280, scaling=0.2, elastic=36.0, sigma=5.5,
)  # fmt: skip

RECIPES = {named.name: named for named in (
    NamedRecipe("softmax", Recipe(hidden=(), epochs=10),
                "softmax regression: no hidden layer", "12.0 % (linear)", _LECUN),
    NamedRecipe("classic", _CLASSIC,
                "one hidden layer, with the settings of scikit-learn's MLPClassifier",
                "4.7 % (300)", _LECUN),
    NamedRecipe("default", Recipe(),
                "192 units and a one-cycle learning rate: more accurate, in a few seconds",
                "1.6 % (800)", _SIMARD),
    NamedRecipe("dropout", _DROPOUT,
                "wider and deeper, with dropout and max-norm against overfitting",
                "1.06 % (1024-1024-1024)",
                "Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014"),
    NamedRecipe("affine", _AFFINE,
                "one hidden layer; every image shifted, rotated and scaled a little, "
            "differently in each epoch",
                "1.1 % (800)", _SIMARD),
    NamedRecipe("elastic", _ELASTIC,
                "adds elastic distortion, which imitates other handwriting",
                "0.7 % (800)", _SIMARD),
    NamedRecipe("record", _RECORD,
                "three wide layers, stronger distortion, a little dropout and decay, and more time",
                "0.35 % (2500-2000-1500-1000-500)",
                "Ciresan, Meier, Gambardella, Schmidhuber 2010", seeds=3),
    NamedRecipe("lenet", _LENET,
                "two convolutions with max pooling before the hidden layer: nearby pixels belong "
                "together", "0.95 % (LeNet-5)", _LECUN),
    NamedRecipe("lenet-elastic", _LENET_ELASTIC,
                "more hidden units, elastic distortion, a little decay, and more time",
                "0.4 % (convolutional)", _SIMARD, seeds=3),
    NamedRecipe("committee", _LENET_ELASTIC,
                "averages the probabilities of five networks: three runs of lenet-elastic, a "
                "narrower network with weaker distortions, a wider one with stronger ones",
                "0.23 % (35 networks)", "Ciresan, Meier, Schmidhuber 2012", seeds=1,
                members=(
                    NamedRecipe("lenet-elastic", _LENET_ELASTIC, "", seeds=3),
                    NamedRecipe("lenet-weak", _LENET_WEAK, "", seeds=1),
                    NamedRecipe("lenet-strong", _LENET_STRONG, "", seeds=1),
                )),
)}  # fmt: skip


def find(name: str, **changes: Any) -> Recipe:
    """Return a named recipe with some settings changed.

    Another optimizer gets its own default learning rate and weight decay, unless they are given:
    those of the recipe were chosen for its own optimizer.
    """
    named = RECIPES[check_choice(name, "recipe", tuple(RECIPES))]
    if named.committee:
        raise InputError(
            f"recipe: expected one that trains one network, got {name}, which averages several "
            f"runs: use numpymlp ladder --only {name}"
        )
    if changes.get("optimizer", named.recipe.optimizer) != named.recipe.optimizer:
        changes = {"learning_rate": None, "weight_decay": None, **changes}
    return dataclasses.replace(named.recipe, **changes)
