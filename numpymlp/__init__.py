"""A multi-layer perceptron in pure NumPy, to read, run and trust.

Read the modules of the textbook in this order: `layers`, `initializers`, `losses`, `network`,
`models`, `gradient_check`, `optimizers`, `schedules`; `convolution` adds layers for images. Then
`training`, whose `trainer` has the loop. The other sub-packages are the machinery around them.
"""

from numpymlp.convolution import AveragePool2D, Conv2D, Flatten, MaxPool2D, Reshape
from numpymlp.data import load_folder, load_mnist, read_idx, split_indices, train_validation_split
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
    "train_validation_split",
]
