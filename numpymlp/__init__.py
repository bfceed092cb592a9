"""A multi-layer perceptron in pure NumPy, to read, run and trust.

Read the modules of the textbook in this order: `layers`, `initializers`, `losses`, `network`,
`models`, `gradient_check`, `optimizers`, `schedules`; `convolution` adds layers for images,
`explain` shows every number of a pass. Then `training`, whose `trainer` has the loop. The other
sub-packages are the machinery around them.

A module is imported when one of its names is first used, so that ``import numpymlp`` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpymlp.convolution import AveragePool2D, Conv2D, Flatten, MaxPool2D, Reshape
    from numpymlp.data.idx import read_idx
    from numpymlp.data.mnist import load_folder, load_mnist
    from numpymlp.data.splits import split_indices, train_validation_split
    from numpymlp.explain import trace
    from numpymlp.gradient_check import check_gradients, check_layer, check_loss
    from numpymlp.gradient_report import GradientReport
    from numpymlp.layer_protocol import Layer, buffer, parameter
    from numpymlp.layers import BatchNorm, Dense, Dropout, LeakyReLU, ReLU, Sigmoid, Tanh
    from numpymlp.losses import (
        L2Penalty,
        Loss,
        MeanSquaredError,
        SigmoidCrossEntropy,
        SoftmaxCrossEntropy,
        log_softmax,
        softmax,
    )
    from numpymlp.models import lenet, mlp
    from numpymlp.network import Network, loss_and_gradient
    from numpymlp.optimizers import SGD, Adam, AdamW
    from numpymlp.schedules import Constant, Cosine, OneCycle, StepDecay
    from numpymlp.storage.models import load, load_loss, save
    from numpymlp.training.callbacks import Callback, EarlyStopping
    from numpymlp.training.checkpoint import Checkpoint
    from numpymlp.training.constraints import MaxNorm
    from numpymlp.training.divergence import TrainingDiverged
    from numpymlp.training.history import History
    from numpymlp.training.minibatches import minibatches
    from numpymlp.training.poisson import PoissonDeviance
    from numpymlp.training.rmsprop import RMSprop
    from numpymlp.training.scoring import evaluate
    from numpymlp.training.trainer import Trainer
    from numpymlp.validation import InputError

__version__ = "0.2.0"

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "AveragePool2D",
    "BatchNorm",
    "Callback",
    "Checkpoint",
    "Constant",
    "Conv2D",
    "Cosine",
    "Dense",
    "Dropout",
    "EarlyStopping",
    "Flatten",
    "GradientReport",
    "History",
    "InputError",
    "L2Penalty",
    "Layer",
    "LeakyReLU",
    "Loss",
    "MaxNorm",
    "MaxPool2D",
    "MeanSquaredError",
    "Network",
    "OneCycle",
    "PoissonDeviance",
    "RMSprop",
    "ReLU",
    "Reshape",
    "Sigmoid",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
    "StepDecay",
    "Tanh",
    "Trainer",
    "TrainingDiverged",
    "buffer",
    "check_gradients",
    "check_layer",
    "check_loss",
    "evaluate",
    "lenet",
    "load",
    "load_folder",
    "load_loss",
    "load_mnist",
    "log_softmax",
    "loss_and_gradient",
    "minibatches",
    "mlp",
    "parameter",
    "read_idx",
    "save",
    "softmax",
    "split_indices",
    "trace",
    "train_validation_split",
]

# The same names by module, for the import at their first use.
_NAMES_OF = {
    "convolution": "AveragePool2D Conv2D Flatten MaxPool2D Reshape",
    "data.idx": "read_idx",
    "data.mnist": "load_folder load_mnist",
    "data.splits": "split_indices train_validation_split",
    "explain": "trace",
    "gradient_check": "check_gradients check_layer check_loss",
    "gradient_report": "GradientReport",
    "initializers": "",
    "layer_protocol": "Layer buffer parameter",
    "layers": "BatchNorm Dense Dropout LeakyReLU ReLU Sigmoid Tanh",
    "losses": "L2Penalty Loss MeanSquaredError SigmoidCrossEntropy "
    "SoftmaxCrossEntropy log_softmax softmax",
    "models": "lenet mlp",
    "network": "Network loss_and_gradient",
    "optimizers": "SGD Adam AdamW",
    "schedules": "Constant Cosine OneCycle StepDecay",
    "storage.models": "load load_loss save",
    "training.callbacks": "Callback EarlyStopping",
    "training.checkpoint": "Checkpoint",
    "training.constraints": "MaxNorm",
    "training.divergence": "TrainingDiverged",
    "training.history": "History",
    "training.minibatches": "minibatches",
    "training.poisson": "PoissonDeviance",
    "training.rmsprop": "RMSprop",
    "training.scoring": "evaluate",
    "training.trainer": "Trainer",
    "validation": "InputError",
}
# Keywords that these do not know are answered with the name here; see `training/habits.py`.
_EXPLAINED = (
    "SGD Adam AdamW RMSprop Network Trainer Dense Dropout BatchNorm LeakyReLU Conv2D MaxPool2D mlp"
)
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names.split()}
_MODULES = {module.partition(".")[0] for module in _NAMES_OF}

if not TYPE_CHECKING:  # a type checker sees the imports above instead

    def __getattr__(name: str) -> Any:
        """Import a public name, or a module such as `numpymlp.layers`, at its first use."""
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f"{__name__}.{_MODULE_OF[name]}")
        value = getattr(module, name)
        if name in _EXPLAINED.split():
            value = import_module(f"{__name__}.training.habits").explain_keywords(value)
            setattr(module, name, value)
        globals()[name] = value  # the next use does not come here
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF, *_MODULES})
