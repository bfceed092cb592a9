"""Small data, a layer and trainers that the tests of training and of model files share."""

import json

import numpy as np

from numpymlp import Adam, Layer, SoftmaxCrossEntropy, Trainer, mlp, parameter
from numpymlp.training.checkpoint import state_of


def blobs():
    """Return 300 points in the plane, in three classes that are easy to tell apart."""
    rng = np.random.default_rng(7)
    y = np.repeat(np.arange(3), 100)
    centres = np.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    x = (centres[y] + rng.normal(0, 0.5, (300, 2))).astype(np.float32)
    return x, y


def make(loss=None, **options):
    """Return a Trainer for the blobs: ten steps an epoch."""
    network = mlp([2, 8, 3], rng=np.random.default_rng(0))
    options = {"optimizer": Adam(0.02), "batch_size": 32, "verbose": 0} | options
    return Trainer(network, loss or SoftmaxCrossEntropy(), **options)


def bits(trainer):
    """Return the whole state of a training run but its times, to compare it exactly."""
    header, arrays = state_of(trainer)
    header["history"] = [{**row, "seconds": None} for row in header["history"]]
    return json.dumps(header, sort_keys=True), {n: a.tobytes() for n, a in arrays.items()}


def stop_request_at(epoch):
    """Return a callback that requests a stop at the end of an epoch."""

    def callback(trainer):
        trainer.stop_requested = trainer.state.epoch == epoch

    return callback


class Pixels(Layer):
    """Apply the same weights to each pixel: (N, H, W, C) -> (N, H, W, K)."""

    W, dW = parameter()

    def __init__(self, channels, kernels):
        self.channels, self.kernels = channels, kernels
        self.input_shape = (..., channels)

    def initialize(self, rng):
        self.W = rng.normal(0, 0.5, self.shapes()["W"])

    def forward(self, x, training=False):
        self.cache = x
        return x @ self.W

    def backward(self, dy, input_gradient=True):
        self.dW = np.einsum("nhwc,nhwk->ck", self.cache, dy)
        return dy @ self.W.T if input_gradient else None

    def shapes(self):
        return {"W": (self.channels, self.kernels)}

    def output_shape(self, input_shape):
        return (*input_shape[:-1], self.kernels)

    def config(self):
        return {"channels": self.channels, "kernels": self.kernels}
