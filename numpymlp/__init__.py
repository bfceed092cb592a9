"""A multi-layer perceptron in pure NumPy, to read, run and trust.

Read the modules of the textbook in this order: `layers`, `initializers`, `losses`, `network`,
`models`, `gradient_check`, `optimizers`, `schedules`; `convolution` adds layers for images,
`explain` shows every number of a pass. Then `training`, whose `trainer` has the loop. The other
sub-packages are the machinery around them.

A module is imported when one of its names is first used, so that ``import numpymlp`` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `as` says that a name is public
    from numpymlp.convolution import (
        AveragePool2D as AveragePool2D,
        Conv2D as Conv2D,
        Flatten as Flatten,
        MaxPool2D as MaxPool2D,
        Reshape as Reshape,
    )
    from numpymlp.data.idx import read_idx as read_idx
    from numpymlp.data.mnist import load_folder as load_folder, load_mnist as load_mnist
    from numpymlp.data.splits import (
        split_indices as split_indices,
        train_validation_split as train_validation_split,
    )
    from numpymlp.explain import trace as trace
    from numpymlp.gradient_check import (
        check_gradients as check_gradients,
        check_layer as check_layer,
        check_loss as check_loss,
    )
    from numpymlp.gradient_report import GradientReport as GradientReport
    from numpymlp.layer_protocol import Layer as Layer, buffer as buffer, parameter as parameter
    from numpymlp.layers import (
        GELU as GELU,
        BatchNorm as BatchNorm,
        Dense as Dense,
        Dropout as Dropout,
        LeakyReLU as LeakyReLU,
        ReLU as ReLU,
        Sigmoid as Sigmoid,
        Tanh as Tanh,
    )
    from numpymlp.losses import (
        L2Penalty as L2Penalty,
        Loss as Loss,
        MeanSquaredError as MeanSquaredError,
        SigmoidCrossEntropy as SigmoidCrossEntropy,
        SoftmaxCrossEntropy as SoftmaxCrossEntropy,
        log_softmax as log_softmax,
        softmax as softmax,
    )
    from numpymlp.models import lenet as lenet, mlp as mlp
    from numpymlp.network import Network as Network, loss_and_gradient as loss_and_gradient
    from numpymlp.optimizers import SGD as SGD, Adam as Adam, AdamW as AdamW
    from numpymlp.schedules import (
        Constant as Constant,
        Cosine as Cosine,
        OneCycle as OneCycle,
        StepDecay as StepDecay,
    )
    from numpymlp.storage.models import load as load, load_loss as load_loss, save as save
    from numpymlp.training.callbacks import Callback as Callback, EarlyStopping as EarlyStopping
    from numpymlp.training.checkpoint import Checkpoint as Checkpoint
    from numpymlp.training.constraints import MaxNorm as MaxNorm
    from numpymlp.training.divergence import TrainingDiverged as TrainingDiverged
    from numpymlp.training.history import History as History
    from numpymlp.training.minibatches import minibatches as minibatches
    from numpymlp.training.poisson import PoissonDeviance as PoissonDeviance
    from numpymlp.training.rmsprop import RMSprop as RMSprop
    from numpymlp.training.scoring import evaluate as evaluate
    from numpymlp.training.trainer import Trainer as Trainer
    from numpymlp.validation import InputError as InputError

__version__ = "0.2.0"

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
    "layers": "GELU BatchNorm Dense Dropout LeakyReLU ReLU Sigmoid Tanh",
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
__all__ = sorted(_MODULE_OF)
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
