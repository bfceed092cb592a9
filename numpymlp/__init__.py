"""A multi-layer perceptron in pure NumPy, to read, run and trust.

Read the rooms in this order: `data`, `layers`, `initializers`, `losses`, `network`,
`gradient_check`, `optimizers`, `schedules`, `samples`, `scoring`, `history`, `training`, `metrics`,
`plots`. The others stand beside one of these, and say of which.
"""

from numpymlp.data import load_folder, load_mnist, read_idx, split_indices, train_validation_split
from numpymlp.gradient_check import check_gradients, check_layer, check_loss
from numpymlp.gradient_report import GradientReport
from numpymlp.layers import BatchNorm, Dense, Dropout, Layer, LeakyReLU, ReLU, Sigmoid, Tanh
from numpymlp.losses import (
    L2Penalty,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    log_softmax,
    softmax,
)
from numpymlp.network import Network, mlp
from numpymlp.optimizers import SGD, Adam, AdamW
from numpymlp.schedules import Constant, Cosine, OneCycle, StepDecay
from numpymlp.training.checkpoint import Checkpoint
from numpymlp.training.constraints import MaxNorm
from numpymlp.training.divergence import TrainingDiverged
from numpymlp.training.history import EarlyStopping, History
from numpymlp.training.scoring import evaluate
from numpymlp.training.trainer import Trainer, minibatches
from numpymlp.validation import InputError

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "BatchNorm",
    "Checkpoint",
    "Constant",
    "Cosine",
    "Dense",
    "Dropout",
    "EarlyStopping",
    "GradientReport",
    "History",
    "InputError",
    "L2Penalty",
    "Layer",
    "LeakyReLU",
    "MaxNorm",
    "MeanSquaredError",
    "Network",
    "OneCycle",
    "ReLU",
    "Sigmoid",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
    "StepDecay",
    "Tanh",
    "Trainer",
    "TrainingDiverged",
    "check_gradients",
    "check_layer",
    "check_loss",
    "evaluate",
    "load_folder",
    "load_mnist",
    "log_softmax",
    "minibatches",
    "mlp",
    "read_idx",
    "softmax",
    "split_indices",
    "train_validation_split",
]
