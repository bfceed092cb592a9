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
# Test-time averaging: the views are distorted less than the training images, those of networks
# trained without distortion half as much as `GENTLE` says. See `averaging.py`.
STRENGTH, MOST_VIEWS = 0.5, 10_000
GENTLE = Distortion(shift=1.0, rotation=10.0, scaling=0.1, shear=8.0)
# Groups of settings: the headings of `numpymlp train --help`.
NETWORK, TRAINING = "network", "training"
TEST = "test-time averaging"
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
    average: int = setting(
        TEST,
        0,
        "at the end, also average over so many distorted views of each test image",
        "VIEWS",
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
        views = self.average
        whole = isinstance(views, int | np.integer) and not isinstance(views, bool)
        if not whole or not 0 <= views <= MOST_VIEWS:
            raise InputError(
                f"average: expected a whole number from 0 to {MOST_VIEWS:,}, got {views!r:.40}: 0 "
                f"turns averaging off"
            )
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

    def build_views(self, image_shape: tuple[int, int] | None = None) -> Distortion:
        """Return the distortion of the views for test-time averaging; see `averaging.py`."""
        distortion = self.build_distortion() or GENTLE
        return dataclasses.replace(distortion.scaled(STRENGTH), image_shape=image_shape)

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
