"""Recipes: every setting of a network and its training run, in one place.

A `Recipe` is a plain record of settings; its methods build the network and the Trainer. The command
line makes its options from the fields of `Recipe`, and a run folder stores a recipe as JSON. Read
`runs.py` next, which trains a recipe and writes the results.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from numpymlp.data import Distortion
from numpymlp.experiments.sizes import check_convolutions, check_memory
from numpymlp.experiments.threads import Threads, choose_threads
from numpymlp.layer_protocol import MOST_LAYERS
from numpymlp.losses import L2Penalty, SoftmaxCrossEntropy
from numpymlp.models import ACTIVATIONS, lenet, mlp
from numpymlp.network import Network
from numpymlp.optimizers import SGD, Adam, AdamW, Optimizer
from numpymlp.schedules import Constant, Cosine, OneCycle, Schedule, StepDecay
from numpymlp.storage.reading import LARGEST
from numpymlp.training.callbacks import EarlyStopping
from numpymlp.training.constraints import MaxNorm
from numpymlp.training.rmsprop import RMSprop
from numpymlp.training.trainer import Trainer
from numpymlp.validation import (
    InputError,
    check_choice,
    check_list,
    check_positive_integer,
    check_range,
)

# The default learning rates, chosen on a validation split for the default network. AdamW takes
# that of Adam, whose steps it shares.
LEARNING_RATES = {"sgd": 1.0, "momentum": 0.2, "nesterov": 0.2, "rmsprop": 1e-2, "adam": 1e-2}
LEARNING_RATES["adamw"] = LEARNING_RATES["adam"]
SCHEDULES: dict[str, Callable[[], Schedule]] = {
    "constant": Constant,
    "step": StepDecay,
    "cosine": Cosine,
    "one-cycle": OneCycle,
}
# A history of so many epochs fits into a checkpoint; a hidden layer is at most four layers of a
# model file.
MOST_EPOCHS = 50_000
MOST_HIDDEN = (MOST_LAYERS - 2) // 4
# Groups of settings: the headings of `numpymlp train --help`.
NETWORK, TRAINING = "network", "training"
DISTORTION = "distortion of the training images, drawn anew in every epoch"


def setting(
    group: str, default: Any, help: str, metavar: str | None = None, choices: Iterable[str] = ()
) -> Any:
    """Return a dataclass field whose metadata describes its option of the command line."""
    about = {"group": group, "help": help, "metavar": metavar, "choices": tuple(choices) or None}
    return dataclasses.field(default=default, metadata=about)


@dataclass(frozen=True)
class Recipe:
    """Settings of a training run on images with classes.

    Each field is declared with its group, its default, and the help text of its option.
    """

    # Results files list the settings in this order.
    model: str = setting(
        NETWORK, "mlp", "lenet has convolutions before its hidden layer", choices=("mlp", "lenet")
    )
    filters: tuple[int, ...] = setting(
        NETWORK, (), "filters of the convolutions; lenet has 8,16 if not given", "SIZES"
    )
    hidden: tuple[int, ...] = setting(
        NETWORK, (192,), "units of the hidden layers, such as 128 or 256,128, or none", "SIZES"
    )
    activation: str = setting(NETWORK, "relu", "activation function", choices=ACTIVATIONS)
    batch_norm: bool = setting(NETWORK, False, "batch normalization before each activation")
    dropout: float = setting(NETWORK, 0.0, "share of hidden units dropped in training", "RATE")
    input_dropout: float = setting(NETWORK, 0.0, "share of pixels dropped in training", "RATE")
    optimizer: str = setting(TRAINING, "adam", "update rule", choices=LEARNING_RATES)
    learning_rate: float | None = setting(
        TRAINING,
        None,
        "learning rate before the schedule (default: "
        + ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())
        + ")",
        "RATE",
    )
    schedule: str = setting(TRAINING, "one-cycle", "learning rate schedule", choices=SCHEDULES)
    batch_size: int = setting(TRAINING, 256, "images per step", "IMAGES")
    epochs: int = setting(TRAINING, 7, "passes over the training images")
    label_smoothing: float = setting(
        TRAINING, 0.0, "share of the target probability spread over all classes", "SHARE"
    )
    l2: float = setting(TRAINING, 0.0, "strength of the L2 penalty, such as 1e-5", "STRENGTH")
    weight_decay: float | None = setting(
        TRAINING, None, "decoupled weight decay, for adamw only (default: 0.01)", "RATE"
    )
    validation: float | None = setting(
        TRAINING, None, "share of training images held out for validation (default: 0)", "SHARE"
    )
    early_stopping: int | None = setting(
        TRAINING, None, "stop after this many epochs without progress in validation", "EPOCHS"
    )
    max_norm: float | None = setting(
        TRAINING, None, "largest norm of a unit's incoming weights (default: no limit)", "NORM"
    )
    shift: float = setting(DISTORTION, 0.0, "largest shift in each direction", "PIXELS")
    rotation: float = setting(DISTORTION, 0.0, "largest rotation in either direction", "DEGREES")
    scaling: float = setting(DISTORTION, 0.0, "largest scaling; 0.1: 0.9 to 1.1 times", "SHARE")
    shear: float = setting(DISTORTION, 0.0, "largest shear in either direction", "DEGREES")
    elastic: float = setting(DISTORTION, 0.0, "elastic distortion, such as 34", "ALPHA")
    sigma: float = setting(DISTORTION, 4.0, "smoothness of the elastic distortion", "PIXELS")

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, list | tuple):
            raise InputError(f"hidden: expected sizes such as (128,), got {self.hidden!r:.80}")
        if len(self.hidden) > MOST_HIDDEN:
            raise InputError(
                f"hidden: expected at most {MOST_HIDDEN} hidden layers, which a model file can "
                f"hold, got {len(self.hidden):,}"
            )
        sizes = tuple(check_positive_integer(size, "hidden, each size") for size in self.hidden)
        object.__setattr__(self, "hidden", sizes)
        if not isinstance(self.batch_norm, bool):
            raise InputError(f"batch_norm: expected True or False, got {self.batch_norm!r:.80}")
        for field in dataclasses.fields(self):
            if choices := field.metadata["choices"]:
                check_choice(getattr(self, field.name), field.name, choices)
        self._check_model()
        if check_positive_integer(self.epochs, "epochs") > MOST_EPOCHS:
            raise InputError(f"epochs: expected at most {MOST_EPOCHS:,}, got {self.epochs}")
        check_memory(sizes, self.batch_size)
        if self.weight_decay is not None and self.optimizer != "adamw":
            raise InputError(
                f"weight_decay: expected optimizer='adamw', got {self.optimizer!r}: the other "
                f"optimizers take l2=1e-4"
            )
        if self.early_stopping is not None and self.validation is None:
            raise InputError(
                "early_stopping: expected validation data, got none: hold some out, validation=0.1"
            )
        if self.validation is not None:
            check_range(self.validation, "validation", 0, 1, left_open=True, right_open=True)
        if not self.hidden and (self.dropout or self.batch_norm):
            raise InputError(
                "hidden: expected hidden layers for dropout and batch norm, got none: add a "
                "layer, or drop pixels with input_dropout=0.2"
            )
        check_range(self.input_dropout, "input_dropout", 0, 1, right_open=True)
        # Layers, optimizer and Trainer check their own settings. Build them once with layers of
        # two units, so that an error shows before the data are loaded.
        small = self._mlp([2] * (len(self.hidden) + 2), seed=0)
        self.build_trainer(small, seed=0)
        for field in dataclasses.fields(self):  # 10 and 10.0 are the same recipe, in files too
            value = getattr(self, field.name)
            if str(field.type).startswith("float") and value is not None:
                number = check_range(value, field.name, -LARGEST, LARGEST)
                object.__setattr__(self, field.name, number)

    def _check_model(self) -> None:
        filters = check_list(self.filters, "filters", "[8, 16]")
        if self.model == "lenet":
            filters = [
                check_positive_integer(n, "filters, each number") for n in filters or (8, 16)
            ]
            for name, wanted, right in (
                ("hidden", "one hidden layer", len(self.hidden) == 1),
                ("activation", "'relu'", self.activation == "relu"),
                ("input_dropout", "0", self.input_dropout == 0),
            ):
                if not right:
                    got = getattr(self, name)
                    raise InputError(
                        f"{name}: expected {wanted} for model='lenet', got {got!r:.80}"
                    )
        elif filters:
            raise InputError(f"filters: expected model='lenet', got {self.model!r}: it has none")
        object.__setattr__(self, "filters", tuple(filters))

    @classmethod
    def from_dict(cls, settings: dict[str, Any], source: str = "recipe") -> Recipe:
        """Return the recipe with these settings, as read from `source`, which errors name."""
        if unknown := sorted(set(settings) - set(cls.__dataclass_fields__)):
            raise InputError(f"{source}: unknown settings {unknown!r:.80}")
        try:
            return cls(**settings)
        except InputError as error:
            raise InputError(f"{source}: {error}") from error

    def build_network(
        self, inputs: int, classes: int, seed: int, image_shape: tuple[int, int] | None = None
    ) -> Network:
        """Return the network, with weights drawn from this seed; no `image_shape` means square."""
        if self.model == "mlp":
            check_memory([inputs, *self.hidden, classes], self.batch_size)
            return self._mlp([inputs, *self.hidden, classes], seed)
        height, width = image_shape or (math.isqrt(inputs),) * 2
        if height * width != inputs:
            raise InputError(f"model: expected images for lenet, got samples of {inputs} numbers")
        shape = (height, width, 1)
        check_convolutions(self.filters, shape, self.batch_size)
        return lenet(
            self.filters,
            *self.hidden,
            image_shape=shape,
            classes=classes,
            dropout=self.dropout,
            batch_norm=self.batch_norm,
            rng=np.random.default_rng(seed),
        )

    def weights(self, inputs: int, classes: int) -> int:
        """Return the number of weights without building the network; of lenet, a lower bound."""
        if self.model == "lenet":
            inputs = self.filters[-1]  # at least one pixel is left of the image
        return sum(a * b for a, b in itertools.pairwise([inputs, *self.hidden, classes]))

    def choose_threads(self, inputs: int, classes: int, given: int | None = None) -> Threads:
        """Return the number of BLAS threads to train with; see `threads.choose_threads`."""
        multiply_adds = self.weights(inputs, classes) * self.batch_size
        return choose_threads(given, multiply_adds, prefetch=self.build_distortion() is not None)

    def _mlp(self, sizes: list[int], seed: int) -> Network:
        return mlp(
            sizes,
            self.activation,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            batch_norm=self.batch_norm,
            rng=np.random.default_rng(seed),
        )

    def build_optimizer(self, network: Network) -> Optimizer:
        """Return the optimizer for this network."""
        given = self.learning_rate
        rate = LEARNING_RATES[self.optimizer] if given is None else given
        if self.optimizer == "adamw":
            decay = {} if self.weight_decay is None else {"weight_decay": self.weight_decay}
            return AdamW(rate, mask=network.decay_mask, **decay)
        if self.optimizer == "adam":
            return Adam(rate)
        if self.optimizer == "rmsprop":
            return RMSprop(rate)
        momentum = 0.0 if self.optimizer == "sgd" else 0.9
        return SGD(rate, momentum, nesterov=self.optimizer == "nesterov")

    def build_distortion(self, image_shape: tuple[int, int] | None = None) -> Distortion | None:
        """Return the distortion, None if its strengths are 0; `image_shape` None means square."""
        strengths = (self.shift, self.rotation, self.scaling, self.shear, self.elastic)
        distortion = Distortion(*strengths, self.sigma, image_shape=image_shape)
        return distortion if any(strengths) else None

    def build_trainer(
        self,
        network: Network,
        seed: int,
        image_shape: tuple[int, int] | None = None,
        **options: Any,
    ) -> Trainer:
        """Return the Trainer; `options` are passed to it unchanged."""
        patience = self.early_stopping
        return Trainer(
            network,
            SoftmaxCrossEntropy(self.label_smoothing),
            self.build_optimizer(network),
            schedule=SCHEDULES[self.schedule](),
            batch_size=self.batch_size,
            penalty=L2Penalty(self.l2) if self.l2 else None,
            augment=self.build_distortion(image_shape),
            constraint=None if self.max_norm is None else MaxNorm(self.max_norm),
            early_stopping=None if patience is None else EarlyStopping(patience),
            seed=seed,
            **options,
        )


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
    committee : bool
        Whether it averages the predictions of another recipe's runs.
    """

    name: str
    recipe: Recipe
    adds: str
    published: str = ""
    source: str = ""
    seeds: int = 5
    committee: bool = False


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
_AFFINE = Recipe(
    hidden=(800,), learning_rate=2e-3, batch_size=128, epochs=40,
    shift=1.0, rotation=10.0, scaling=0.1,
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
)  # fmt: skip
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
    NamedRecipe("committee", _ELASTIC,
                "averages the probabilities of the five elastic runs",
                "0.39 % (25 networks of 800)",
                "Meier, Ciresan, Gambardella, Schmidhuber 2011", seeds=1, committee=True),
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
