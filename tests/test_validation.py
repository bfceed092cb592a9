"""What people get wrong, and the message that each mistake gets."""

import warnings

import numpy as np
import pytest

from numpymlp import (
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Callback,
    Cosine,
    Dense,
    Dropout,
    EarlyStopping,
    InputError,
    L2Penalty,
    LeakyReLU,
    MeanSquaredError,
    Network,
    OneCycle,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    StepDecay,
    Trainer,
    evaluate,
    load,
    load_folder,
    minibatches,
    mlp,
    save,
)
from numpymlp.__main__ import main
from numpymlp.gradient_check import check_gradients

X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
Y = np.arange(20) % 3
ONE_HOT = np.eye(3)[Y]
VALUES = np.linspace(-1, 1, 20)
NAN_X = X.copy()
NAN_X[7, 2] = np.nan
LOGITS = np.zeros((3, 3))


def rng():
    return np.random.default_rng(0)


def net(output="softmax", sizes=(4, 5, 3), **options):
    return mlp(list(sizes), output=output, rng=rng(), **options)


def broken():
    network = net()
    network.layers[0].W[0, 0] = np.nan
    return network


def regression(outputs=1):
    return net("identity", (4, 5, outputs))


def fit(x=X, y=Y, network=None, loss=None, optimizer=None, epochs=1, trainer=None, **options):
    trainer = Trainer(
        net() if network is None else network,
        SoftmaxCrossEntropy() if loss is None else loss,
        Adam() if optimizer is None else optimizer,
        verbose=0,
        **(trainer or {}),
    )
    return trainer.fit(x, y, epochs, **options)


def after_forward(dy):
    network = net()
    network.forward(X)
    return network.backward(dy)


def two_fits(optimizer):
    fit(optimizer=optimizer)
    fit(network=net(sizes=(4, 7, 3)), optimizer=optimizer)


def initialized(initializer):
    return Network([Dense(3, 2, initializer=initializer)], rng=rng())


CE, BCE, MSE = SoftmaxCrossEntropy, SigmoidCrossEntropy, MeanSquaredError

# What is done: (how, what the message says). "..." stands for anything in between.
MISTAKES = {
    # ---- samples ----
    "a single sample": (
        lambda: net().forward(X[0]),
        "Dense(4 -> 5) expected x of shape (N, 4), got (4,): a single sample needs x[None, :]",
    ),
    "images": (
        lambda: net().forward(X.reshape(20, 2, 2)),
        "expected x of shape (N, 4), got (20, 2, 2): images need x.reshape(len(x), -1)",
    ),
    "samples as columns": (
        lambda: net().forward(X[:5].T),
        "expected x of shape (N, 4), got (4, 5): samples are rows here; x.T turns them round",
    ),
    "other features": (
        lambda: net().forward(X[:, :3]),
        "expected x of shape (N, 4), got (20, 3): was the network built for other data?",
    ),
    "no samples": (
        lambda: net().forward(X[:0]),
        "expected at least one sample, got x of shape (0, 4)",
    ),
    "ragged rows": (
        lambda: net().forward([[1, 2, 3, 4], [5, 6]]),
        "expected an array, got rows of different lengths: every sample needs the same number",
    ),
    "text": (
        lambda: net().forward([["1", "2", "3", "4"]]),
        "expected numbers, got dtype <U1: convert with x.astype(np.float32)",
    ),
    "objects": (
        lambda: net().forward(X.astype(object)),
        "expected numbers, got dtype object: convert with",
    ),
    "nothing": (lambda: net().forward(None), "expected numbers, got dtype object"),
    "complex numbers": (lambda: net().forward(X + 1j), "expected numbers, got dtype complex"),
    "dates": (
        lambda: net().forward(np.zeros((2, 4), "M8[s]")),
        "expected numbers, got dtype datetime64",
    ),
    "masked values": (
        lambda: net().forward(np.ma.masked_array(X, X > 0)),
        "expected plain numbers, got a masked array with masked values: fill them first",
    ),
    "NaN in samples to predict": (
        lambda: net().predict(NAN_X),
        "expected finite outputs, got NaN or infinity, first in row 7: x holds NaN",
    ),
    "NaN far down": (
        lambda: net().predict(np.vstack([np.zeros((3000, 4)), NAN_X])),
        "got NaN or infinity, first in row 3007: x holds NaN",
    ),
    "NaN in weights that predict": (
        lambda: broken().predict_proba(X),
        "expected finite outputs, got NaN or infinity, first in row 0: has training diverged?",
    ),
    "probabilities of values": (
        lambda: regression().predict_proba(X),
        "predict_proba expected output='softmax' or 'sigmoid', got 'identity'...use predict",
    ),
    # ---- backward by hand ----
    "backward first": (
        lambda: net().backward(np.zeros((2, 3))),
        "backward expected a forward pass just before it: call network.forward(x) first",
    ),
    "a gradient that would be broadcast": (
        lambda: after_forward(np.zeros((20, 1))),
        "backward expected dy as floats of shape (20, 3), that of the last output, got shape "
        "(20, 1)...: pass loss.backward()",
    ),
    "a loss in place of its gradient": (
        lambda: after_forward(0.5),
        "backward expected dy as floats of shape (20, 3)...got shape () of float64: pass loss.back",
    ),
    "labels in place of a gradient": (
        lambda: after_forward(np.ones((20, 3), int)),
        "backward expected dy as floats of shape (20, 3)...got shape (20, 3) of int64",
    ),
    "a loss asked back first": (
        lambda: CE().backward(),
        "backward expected a forward pass before it: call forward first",
    ),
    "a penalty asked back first": (
        lambda: L2Penalty(0.1).backward(),
        "backward expected a forward pass before it",
    ),
    "a penalty of other lengths": (
        lambda: L2Penalty(0.1).forward(np.zeros((3, 1)), np.zeros(3)),
        "parameters and mask: expected the same shape, got (3, 1) and (3,)",
    ),
    # ---- targets of a loss ----
    "targets first": (
        lambda: CE().forward(Y, np.zeros((20, 3))),
        "a loss expected logits as a float array of shape (N, K), got shape (20,) of int64: pass "
        "what network.forward(x) returned, logits first, targets second",
    ),
    "float labels": (
        lambda: CE().forward(LOGITS, np.array([0.0, 1.0, 2.0])),
        "expected integer labels of shape (3,)...got shape (3,) of float64: labels are whole "
        "numbers; use y.astype(int)",
    ),
    "a column of labels": (
        lambda: CE().forward(LOGITS, np.array([[0], [1], [2]])),
        "got shape (3, 1) of int64: flatten the column with y.ravel()",
    ),
    "names as labels": (
        lambda: CE().forward(LOGITS, np.array(["cat", "dog", "cat"])),
        "turn names into integers with np.unique(y, return_inverse=True)[1]",
    ),
    "labels from 1": (
        lambda: CE().forward(LOGITS, np.array([1, 2, 3])),
        "expected labels from 0 to 2, got 1 to 3: the network has 3 outputs...count from 0",
    ),
    "negative labels": (
        lambda: CE().forward(LOGITS, np.array([-1, 0, 1])),
        "expected labels from 0 to 2, got -1 to 1",
    ),
    "too few labels": (
        lambda: CE().forward(LOGITS, np.array([0, 1])),
        "got shape (2,) of int64: 2 targets for 3 samples",
    ),
    "one-hot rows of other classes": (
        lambda: CE().forward(LOGITS, np.eye(4)[:3]),
        "got shape (3, 4) of float64: does the last layer have one output for each class?",
    ),
    "several ones in a row": (
        lambda: CE().forward(LOGITS, np.ones((3, 3))),
        "expected each row of soft targets to be probabilities that sum to 1, got a row that sums "
        "to 3...several labels a sample? Those need SigmoidCrossEntropy",
    ),
    "logits as soft targets": (
        lambda: CE().forward(LOGITS, np.array([[2.0, -1.0, 0.0]] * 3)),
        "sums to 1 and values from -1 to 2: are these logits",
    ),
    "NaN as soft targets": (
        lambda: CE().forward(LOGITS, np.full((3, 3), np.nan)),
        "probabilities that sum to 1, got a row that sums to nan",
    ),
    "a softmax of one output": (
        lambda: CE().forward(np.zeros((3, 1)), np.zeros(3, int)),
        "a softmax expected at least 2 outputs, got 1, whose probability is always 1: for "
        "yes or no use SigmoidCrossEntropy",
    ),
    "labels -1 and 1": (
        lambda: BCE().forward(np.zeros((3, 1)), np.array([-1, 1, 1])),
        "sigmoid outputs expected targets in [0, 1], got -1 to 1: labels are 0 and 1, not -1",
    ),
    "classes for sigmoids": (
        lambda: BCE().forward(LOGITS, np.array([0, 1, 2])),
        "expected targets of shape (3, 3)...integer classes need SoftmaxCrossEntropy, or one-hot",
    ),
    "(N,) against (N, 2)": (
        lambda: MSE().forward(np.zeros((3, 2)), np.zeros(3)),
        "expected targets of shape (3, 2), that of the outputs, got shape (3,) of float64: does",
    ),
    "(N, 1) against (N, 2)": (
        lambda: MSE().forward(np.zeros((3, 2)), np.zeros((3, 1))),
        "expected targets of shape (3, 2), that of the outputs, got shape (3, 1)",
    ),
    "(1, N) against (N, 1)": (
        lambda: MSE().forward(np.zeros((3, 1)), np.zeros((1, 3))),
        "expected targets of shape (3, 1), that of the outputs, got shape (1, 3) of float64: 1 "
        "targets for 3 samples",
    ),
    "(N,) against (N, N)": (
        lambda: MSE().forward(LOGITS, np.zeros(3)),
        "expected targets of shape (3, 3), that of the outputs, got shape (3,)",
    ),
    "one number for all": (
        lambda: MSE().forward(np.zeros((3, 1)), 1.0),
        "expected targets of shape (3, 1), that of the outputs, got shape ()",
    ),
    "weights of another length": (
        lambda: CE().forward(LOGITS, [0, 1, 2], np.ones(2)),
        "sample_weight: expected 3 numbers, one for each sample, got shape (2,)",
    ),
    "a column of weights": (
        lambda: CE().forward(LOGITS, [0, 1, 2], np.ones((3, 1))),
        "sample_weight: expected 3 numbers, one for each sample, got shape (3, 1)",
    ),
    "a negative weight": (
        lambda: CE().forward(LOGITS, [0, 1, 2], np.array([1, -1, 1])),
        "sample_weight: expected finite weights of at least 0, got -1 to 1",
    ),
    # ---- data for training ----
    "NaN in training data": (
        lambda: fit(NAN_X),
        "training data: expected finite numbers, got NaN or infinity in x, first in row 7: fill",
    ),
    "infinity in training data": (
        lambda: fit(np.where(X[3, 0] == X, -np.inf, X)),
        "expected finite numbers, got NaN or infinity in x, first in row 3",
    ),
    "numbers beyond float32": (
        lambda: fit(X.astype(float) * 1e300),
        "expected numbers that float32 can hold...scale the features first",
    ),
    "nothing but one number": (
        lambda: fit(np.ones((20, 4))),
        "training data: every number in x is 1: there is nothing to learn from",
    ),
    "fewer targets than samples": (
        lambda: fit(y=Y[:10]),
        "expected one target for each sample, got 20 samples and 10 targets",
    ),
    "no targets": (lambda: fit(y=None), "got 20 samples and 0 targets"),
    "labels of another count": (
        lambda: fit(y=Y + 1),
        "expected labels from 0 to 2, got 1 to 3: the network has 3 outputs",
    ),
    "NaN in values": (
        lambda: fit(y=np.where(VALUES > 0, np.nan, 0), network=regression(), loss=MSE()),
        "expected finite targets, got NaN or infinity, first in row 10",
    ),
    "values of another shape": (
        lambda: fit(y=VALUES, network=regression(2), loss=MSE()),
        "expected targets of shape (20, 2), that of the outputs, got shape (20,)",
    ),
    "NaN in weights that train": (
        lambda: fit(network=broken()),
        "expected a network with finite parameters, got NaN or infinity in them: has a training",
    ),
    "weights that are all 0": (
        lambda: fit(sample_weight=np.zeros(20)),
        "sample_weight: expected a weight above 0 somewhere, got only 0: nothing would be learned",
    ),
    "a class that is not there": (
        lambda: fit(class_weight={7: 1.0}),
        "class_weight: expected classes among [0, 1, 2], got [7]",
    ),
    "a class weight below 0": (
        lambda: fit(class_weight={0: -1.0}),
        "class_weight[0]: expected a number in [0, inf), got -1.0",
    ),
    "class weights as a list": (
        lambda: fit(class_weight=[1, 2, 3]),
        "class_weight: expected a dict of class to weight, or 'balanced', got [1, 2, 3]",
    ),
    "class weights for soft targets": (
        lambda: fit(y=ONE_HOT, class_weight="balanced"),
        "class_weight: expected integer labels (N,), got shape (20, 3)...: use sample_weight",
    ),
    "batch norm and one row left over": (
        lambda: fit(network=net(batch_norm=True), trainer={"batch_size": 19}),
        "batch norm expected batches of at least 2 rows, but 20 samples in batches of 19 leave 1",
    ),
    # ---- validation data ----
    "a share of 1": (lambda: fit(validation=1.0), "expected a number in (0, 1), got 1.0"),
    "a number of rows as share": (lambda: fit(validation=5), "expected a number in (0, 1), got 5"),
    "validation without targets": (
        lambda: fit(validation=(X,)),
        "validation: expected (x, y) or a share such as 0.1, got 1 things: samples and their",
    ),
    "validation as an array": (
        lambda: fit(validation=X),
        "validation: expected (x, y) or a share such as 0.1, got an array",
    ),
    "validation of other features": (
        lambda: fit(validation=(X[:, :3], Y)),
        "validation data: Dense(4 -> 5) expected x of shape (N, 4), got (20, 3)",
    ),
    "NaN in validation": (
        lambda: fit(validation=(NAN_X, Y)),
        "validation data: expected finite numbers, got NaN or infinity in x, first in row 7",
    ),
    "early stopping without validation": (
        lambda: fit(trainer={"early_stopping": EarlyStopping(2)}),
        "early_stopping expected validation data: pass validation=0.1, or (x, y), to fit",
    ),
    "early stopping as a flag": (
        lambda: fit(trainer={"early_stopping": True}, validation=0.2),
        "early_stopping: expected EarlyStopping(patience=5), got True",
    ),
    "the accuracy of values": (
        lambda: fit(
            network=regression(),
            loss=MSE(),
            trainer={"early_stopping": EarlyStopping(monitor="validation_accuracy")},
        ),
        "early_stopping: expected monitor='validation_loss' for values...only classes have an acc",
    ),
    # ---- the parts of a training ----
    "no epochs": (lambda: fit(epochs=0), "epochs: expected a whole number of at least 1, got 0"),
    "half an epoch": (lambda: fit(epochs=1.5), "epochs: expected a whole number of at least 1"),
    "True epochs": (lambda: fit(epochs=True), "epochs: expected a whole number...got True"),
    "a float as batch size": (
        lambda: fit(trainer={"batch_size": 32.0}),
        "batch_size: expected a whole number of at least 1, got 32.0: int(32.0) where",
    ),
    "a seed below 0": (
        lambda: fit(trainer={"seed": -1}),
        "seed: expected a whole number of at least 0, got -1",
    ),
    "no seed": (lambda: fit(trainer={"seed": None}), "seed: expected a whole number of at least 0"),
    "an optimizer's class": (
        lambda: fit(optimizer=Adam),
        "optimizer: expected an optimizer such as Adam(), got the class Adam: add ()",
    ),
    "an optimizer's name": (
        lambda: fit(optimizer="adam"),
        "optimizer: expected an optimizer such as Adam(), got 'adam'",
    ),
    "a loss's class": (lambda: fit(loss=CE), "got the class SoftmaxCrossEntropy: add ()"),
    "a loss's name": (
        lambda: fit(loss="mse"),
        "loss: expected a loss such as SoftmaxCrossEntropy(), got 'mse'",
    ),
    "no network": (lambda: Trainer(None, CE(), Adam()), "network: expected a Network, got None"),
    "a softmax loss for sigmoids": (
        lambda: fit(network=net("sigmoid")),
        "loss: SoftmaxCrossEntropy() expected a network with output='softmax', got 'sigmoid': that "
        "head answers 1 where a logit is above 0: use SigmoidCrossEntropy",
    ),
    "a sigmoid loss for a softmax": (
        lambda: fit(y=ONE_HOT, loss=BCE()),
        "loss: SigmoidCrossEntropy() expected a network with output='sigmoid', got 'softmax': its "
        "predictions would not be what the loss trains",
    ),
    "a schedule's class": (
        lambda: fit(trainer={"schedule": Cosine}),
        "schedule: expected a schedule such as Cosine(), got the class Cosine: add ()",
    ),
    "a number as schedule": (
        lambda: fit(trainer={"schedule": 0.5}),
        "schedule: expected a schedule such as Cosine(), got 0.5",
    ),
    "a schedule that gives nothing": (
        lambda: fit(trainer={"schedule": lambda step, total: None}),
        "schedule: expected schedule(step, total_steps) to give a finite factor...got None",
    ),
    "a schedule that gives NaN": (
        lambda: fit(trainer={"schedule": lambda step, total: float("nan")}),
        "to give a finite factor of at least 0, got nan",
    ),
    "a number as penalty": (
        lambda: fit(trainer={"penalty": 0.1}),
        "penalty: expected an L2Penalty such as L2Penalty(1e-4), got 0.1",
    ),
    "a callback that cannot be called": (
        lambda: fit(trainer={"callbacks": [3]}),
        "callbacks: expected Callback objects or f(trainer), got 3",
    ),
    "a callback's class": (
        lambda: fit(trainer={"callbacks": [Callback]}),
        "callbacks: expected Callback objects or f(trainer), got the class Callback: add ()",
    ),
    "early stopping as a callback": (
        lambda: fit(trainer={"callbacks": [EarlyStopping(2)]}, validation=0.2),
        "callbacks: expected custom callbacks, got EarlyStopping(...: pass early_stopping=",
    ),
    "augmentation that changes the shape": (
        lambda: fit(trainer={"augment": lambda x, rng: x[:, :2]}),
        "expected x of shape (N, 4), got (20, 2)",
    ),
    "augmentation that loses rows": (
        lambda: fit(trainer={"augment": lambda x, rng: x[:3]}),
        "20 targets for 3 samples",
    ),
    "augmentation that returns nothing": (
        lambda: fit(trainer={"augment": lambda x, rng: None}),
        "expected numbers, got dtype object",
    ),
    "an order of other rows": (
        lambda: fit(trainer={"order": lambda epoch, rows: np.arange(rows) + 1}),
        "order: expected positions from 0 to 19, got 1 to 20",
    ),
    "an order of another length": (
        lambda: fit(trainer={"order": lambda epoch, rows: np.arange(5)}),
        "order: expected order(epoch, rows) to give 20 positions, got shape (5,)",
    ),
    # ---- optimizers, schedules, penalties ----
    "an optimizer of another network": (
        lambda: two_fits(Adam()),
        "expected the parameters of the network...(43,)...(59,)...call optimizer.reset()",
    ),
    "gradients of another length": (
        lambda: SGD(0.1).step(np.zeros(3), np.zeros(4)),
        "step expected gradients like the parameters, shape (3,) of float64, got shape (4,)",
    ),
    "gradients as a column": (
        lambda: Adam().step(np.zeros(3), np.zeros((3, 1))),
        "step: gradients: expected a vector (P,) of float32 or float64, got shape (3, 1) of "
        "float64: pass network.gradients",
    ),
    "gradients of another dtype": (
        lambda: SGD(0.1).step(np.zeros(3, np.float32), np.zeros(3)),
        "parameters, shape (3,) of float32, got shape (3,) of float64",
    ),
    "whole numbers as parameters": (
        lambda: SGD(0.1).step(np.zeros(3, int), np.zeros(3, int)),
        "step: parameters: expected a vector (P,) of float32 or float64, got shape (3,) of int64: "
        "pass network.parameters",
    ),
    "a learning rate of 0": (lambda: SGD(0), "SGD learning_rate: expected a number in (0, inf)"),
    "a negative learning rate": (lambda: Adam(-1e-3), "expected a number in (0, inf), got -0.001"),
    "an infinite learning rate": (lambda: SGD(np.inf), "expected a number in (0, inf), got inf"),
    "NaN as learning rate": (lambda: Adam(float("nan")), "in (0, inf), got nan"),
    "a learning rate beyond floats": (lambda: SGD(10**400), "expected a number in (0, inf), got 1"),
    "a learning rate as text": (
        lambda: Adam("0.1"),
        "expected a number in (0, inf), got '0.1': a number is written without quotes",
    ),
    "a learning rate as an array": (
        lambda: SGD(np.array([0.1])),
        "got array([0.1]): one number is expected, not several",
    ),
    "a momentum of 1": (lambda: SGD(0.1, momentum=1), "SGD momentum: expected a number in [0, 1)"),
    "a beta of 1": (lambda: Adam(beta2=1.0), "Adam beta2: expected a number in [0, 1), got 1.0"),
    "an epsilon of 0": (lambda: Adam(epsilon=0), "Adam epsilon: expected a number in [1e-30, inf)"),
    "a learning rate as decay mask": (
        lambda: AdamW(1e-3, 1e-2, 1e-3),
        "AdamW mask: expected a vector (P,) of float32 or float64, got float: pass network.decay",
    ),
    "a network as decay mask": (
        lambda: AdamW(mask=net()),
        "AdamW mask: expected a vector (P,) of float32 or float64, got Network: pass network.decay",
    ),
    "a decay mask first": (
        lambda: AdamW(np.ones(3)),
        "AdamW learning_rate: expected a number in (0, inf), got array([1., 1., 1.]): one number",
    ),
    "a decay mask of another network": (
        lambda: AdamW(mask=np.ones(3)).step(np.zeros(4), np.zeros(4)),
        "AdamW mask, network.decay_mask: expected the same shape, got (4,) and (3,)",
    ),
    "a decay below 0": (
        lambda: AdamW(weight_decay=-1, mask=np.ones(3)),
        "AdamW weight_decay: expected a number in [0, inf), got -1",
    ),
    "a penalty below 0": (lambda: L2Penalty(-1), "L2Penalty strength: expected a number in [0"),
    "a cosine that ends above": (lambda: Cosine(2), "Cosine final: expected a number in [0, 1]"),
    "steps that never come": (lambda: StepDecay(0), "StepDecay factor: expected a number in (0"),
    "a warm-up without end": (lambda: OneCycle(1.0), "OneCycle warmup: expected a number in (0"),
    "no patience": (
        lambda: EarlyStopping(0),
        "EarlyStopping patience: expected a whole number of at least 1, got 0",
    ),
    "something else to monitor": (
        lambda: EarlyStopping(monitor="loss"),
        "monitor: expected one of validation_loss, validation_accuracy, got 'loss'",
    ),
    "all of label smoothing": (lambda: CE(1.0), "label_smoothing: expected a number in [0, 1)"),
    # ---- layers and networks ----
    "a layer of no inputs": (lambda: Dense(0, 3), "Dense inputs: expected a whole number of at"),
    "a layer of text": (lambda: Dense("4", 3), "got '4': a number is written without quotes"),
    "a seed as generator": (
        lambda: Dense(3, 2, rng=0),
        "rng: expected a numpy.random.Generator, got int: pass np.random.default_rng(seed)",
    ),
    "an initializer's name": (
        lambda: initialized("he"),
        "Dense initializer: expected he_normal or the like, got 'he'",
    ),
    "weights that fit by broadcasting": (
        lambda: initialized(lambda shape, rng: np.zeros(2)),
        "Dense(3 -> 2) weights: expected finite floats of shape (3, 2)...got shape (2,)",
    ),
    "an initializer that gives NaN": (
        lambda: initialized(lambda shape, rng: np.full(shape, np.nan)),
        "expected finite floats of shape (3, 2)...of float64 with NaN or infinity",
    ),
    "all units dropped": (lambda: Dropout(1), "Dropout rate: expected a number in [0, 1), got 1"),
    "dropout with a seed": (lambda: Dropout(0.5, rng=3), "rng: expected a numpy.random.Generator"),
    "dropout without numbers": (
        lambda: Dropout(0.5).forward(np.ones((2, 2)), training=True),
        "Dropout expected a random generator, got none: give it rng=np.random.default_rng(seed), "
        "or put it into a Network",
    ),
    "a slope above 1": (lambda: LeakyReLU(2), "LeakyReLU slope: expected a number in [0, 1)"),
    "a momentum that never moves": (
        lambda: BatchNorm(3, momentum=1),
        "BatchNorm momentum: expected a number in [0, 1), got 1",
    ),
    "batch norm of one row": (
        lambda: BatchNorm(3).forward(np.ones((1, 3)), training=True),
        "BatchNorm expected a training batch of at least 2 rows, got 1",
    ),
    "a network of nothing": (lambda: Network([]), "expected 1 to 1,000 layers, got 0"),
    "a layer that is no list": (
        lambda: Network(Dense(3, 3), rng=rng()),
        "Network: expected a list such as [Dense(784, 128), ...], got Dense(3 -> 3)",
    ),
    "a layer's class": (
        lambda: Network([Dense]),
        "Network expected layers, got <class 'numpymlp.layers.Dense'> at position 0: add (): D",
    ),
    "a layer that derives from nothing": (
        lambda: Network([Dense(3, 4), object()], rng=rng()),
        "Network expected layers, got <object...at position 1: let its class derive from numpymlp",
    ),
    "sizes that do not match": (
        lambda: Network([Dense(3, 4), Dense(5, 2)], rng=rng()),
        "Dense(5 -> 2) at position 1 expected samples of shape (5,), got (4,)",
    ),
    "a layer twice": (
        lambda: Network([layer := Dense(3, 3), layer], rng=rng()),
        "expected each layer once, got the same Dense(3 -> 3) again at position 1",
    ),
    "an unknown output": (
        lambda: Network([Dense(3, 3)], output="soft", rng=rng()),
        "output: expected one of softmax, sigmoid, identity, got 'soft'",
    ),
    "whole numbers as dtype": (
        lambda: Network([Dense(3, 3)], dtype=int, rng=rng()),
        "dtype: expected numpy.float32 or numpy.float64, got <class 'int'>",
    ),
    "an unknown dtype": (
        lambda: Network([Dense(3, 3)], dtype="float23", rng=rng()),
        "dtype: expected numpy.float32 or numpy.float64, got 'float23'",
    ),
    "one size": (lambda: mlp([3]), "mlp expected at least two sizes, inputs and outputs, got [3]"),
    "sizes that are no list": (lambda: mlp(5), "mlp sizes: expected a list such as [784, 128, 10]"),
    "an unknown activation": (
        lambda: mlp([3, 4, 2], "swish"),
        "activation: expected one of relu, leaky_relu, gelu...got 'swish'",
    ),
    "activations of another number": (
        lambda: mlp([3, 4, 2], ["relu", "relu"]),
        "mlp expected 1 activations, one a hidden layer, got 2",
    ),
    "parameters of another length": (
        lambda: setattr(net(), "parameters", np.zeros(3)),
        "parameters expected shape (43,), got (3,)",
    ),
    "weights of another shape": (
        lambda: setattr(net().layers[0], "W", np.zeros((3, 3))),
        "Dense(4 -> 5).W expected shape (4, 5), got (3, 3): arrays in a network keep their shape",
    ),
    "one number for all weights": (
        lambda: setattr(net().layers[0], "W", 1.0),
        "Dense(4 -> 5).W expected shape (4, 5), got (): arrays in a network keep their shape",
    ),
    # ---- files ----
    "saving NaN": (
        lambda: save(broken(), "never-written.npz"),
        "never-written.npz: parameters holds NaN or infinity and was not saved: training has",
    ),
    "a path before the network": (
        lambda: save("never-written.npz", net()),
        "save expected a Network, got 'never-written.npz': save(network, path)",
    ),
    "no path": (lambda: load(None), "expected the path of a file, got NoneType"),
    "no file": (lambda: load("missing.npz"), "missing.npz does not exist: expected a"),
    "another file": (lambda: load(__file__), "is not an .npz archive: it begins with"),
    "no folder": (lambda: load_folder("/nowhere"), "/nowhere: expected a folder with train-images"),
    # ---- judging, splitting, checking ----
    "judging NaN": (
        lambda: evaluate(net(), CE(), NAN_X, Y),
        "evaluation data: expected finite numbers, got NaN or infinity in x, first in row 7",
    ),
    "judging with NaN": (
        lambda: evaluate(broken(), CE(), X, Y),
        "expected a network with finite parameters, got NaN or infinity in them",
    ),
    "judging by other labels": (
        lambda: evaluate(net(), CE(), X, Y + 1),
        "expected labels from 0 to 2, got 1 to 3",
    ),
    "batches of unequal lengths": (
        lambda: list(minibatches(X, Y[:3], 4, rng())),
        "x and y: expected one row for each sample in both, got x of shape (20, 4) and y of",
    ),
    "gradients of wrong labels": (
        lambda: check_gradients(net(), CE(), X, Y + 1),
        "expected labels from 0 to 2, got 1 to 3",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_gets_its_message(mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    action, expected = MISTAKES[mistake]
    with pytest.raises(InputError) as caught:
        action()
    message, position = str(caught.value), 0
    for part in expected.split("..."):
        position = message.find(part, position)
        assert position >= 0, f"{part!r} is not in {message!r}"
        position += len(part)
    assert "\n" not in message
    assert len(message) < 400
    assert list(tmp_path.iterdir()) == []


def test_the_table_is_long_enough():
    assert len(MISTAKES) >= 150


def test_what_is_right_raises_nothing():
    # The functions with which the mistakes are made work where no mistake is made.
    assert len(fit(validation=0.2, sample_weight=np.ones(20), class_weight="balanced")) == 1
    fit(y=ONE_HOT)
    fit(y=VALUES, network=regression(), loss=MSE())
    fit(y=VALUES[:, None], network=regression(), loss=MSE(), validation=(X, VALUES))
    after_forward(np.zeros((20, 3), np.float32))
    initialized(lambda shape, rng: np.zeros(shape))
    assert len(list(minibatches(X, Y, 4, rng()))) == 5


# ---- what is only doubtful gets a warning ----


@pytest.mark.parametrize(
    ("x", "shown"),
    [
        (np.linspace(0, 255, 80).reshape(20, 4), "go from 0 to 255"),
        (np.linspace(0, 255, 80).reshape(20, 4).astype(np.uint8), "go from 0 to 255"),
        (X * [1, 1, 1, -1e4], "go from -"),
    ],
)
def test_features_that_are_not_scaled_get_a_warning_with_the_fix(x, shown):
    with pytest.warns(UserWarning, match=shown) as caught:
        fit(x)
    (warning,) = caught
    assert "x.astype(np.float32) / 255" in str(warning.message)
    assert "(x - x.mean(axis=0)) / x.std(axis=0)" in str(warning.message)


def test_labels_that_are_all_the_same_get_a_warning():
    with pytest.warns(UserWarning, match="every label is 2: there is nothing to tell apart"):
        fit(y=np.full(20, 2))


def test_good_data_get_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(X)
        fit(np.c_[X[:, :3], np.ones(20)])  # a constant column is a pixel at the border


# ---- the same from the command line: one line, exit status 2 ----


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "--epochs", "0"], "epochs: expected a whole number of at least 1, got 0"),
        (["train", "--hidden", "12,x"], "expected sizes such as 128 or 256,128, or none"),
        (["train", "--dropout", "1"], "Dropout rate: expected a number in [0, 1), got 1.0"),
        (["train", "--learning-rate", "-1"], "--learning-rate: expected a number in (0, inf)"),
        (["train", "--learning-rate", "fast"], "invalid float value: 'fast'"),
        (["train", "--optimizer", "lbfgs"], "got 'lbfgs'"),
        (["train", "--batch-size", "0"], "--batch-size: expected a whole number of at least 1"),
        (["train", "--seed", "-1"], "seed: expected a whole number of at least 0, got -1"),
        (["train", "--early-stopping", "3"], "--early-stopping: expected validation data"),
        (["train", "--validation", "2"], "validation: expected a number in (0, 1)"),
        (["train", "--data", "nowhere"], "nowhere: expected a folder with train-images"),
        (["train", "--label-smoothing", "1"], "--label-smoothing: expected a number in [0, 1)"),
        (["train", "--checkpoint-minutes", "0"], "minutes: expected a number in (0, inf"),
        (["train", "--resume", "nowhere"], "nowhere holds no config.json"),
        (["evaluate", "nowhere"], "nowhere does not exist"),
        (["predict", "nowhere", "digit.png"], "nowhere does not exist"),
        (["dance"], "got 'dance'"),
    ],
)
def test_the_command_line_answers_with_one_line(arguments, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "train":
        arguments += ["--output", "run", "--quiet"] if "--resume" not in arguments else []
    try:
        status = main(arguments)
    except SystemExit as end:  # how argparse leaves
        status = end.code
    errors = capsys.readouterr().err
    assert status == 2
    assert errors.startswith("numpymlp")
    assert expected in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "run" / "checkpoint.npz").exists()
