"""Export a network to ONNX, the format that other programs run networks in.

Each layer becomes the ONNX operator of the same formula. ONNX has images as (N, C, H, W), so that a
layer of images stands between two transpositions. The graph ends with the probabilities, or with
the values of a regression. This module needs the extra `onnx`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from numpymlp.layers import ROOT
from numpymlp.network import Network
from numpymlp.storage.files import check_path, pip_install, write_bytes
from numpymlp.validation import InputError

OPSET, IR_VERSION = 17, 8  # of 2022: what any ONNX program of today runs
HEADS = {"softmax": "Softmax", "sigmoid": "Sigmoid", "identity": "Identity"}
INPUT, OUTPUTS = "x", {"softmax": "probabilities", "sigmoid": "probabilities", "identity": "y"}


def export_onnx(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network as an ONNX file, whole or not at all.

    The file has one input, ``x`` of shape (N, in), and one output: ``probabilities`` of shape
    (N, K), or ``y`` for a network without probabilities. Both are float32, the
    one type in which every program has all operators.

    Parameters
    ----------
    network : Network
        Of layers of this package; dropout is left out, batch norm uses its running statistics.
    path : path-like
        The file.

    Raises
    ------
    InputError
        If the package `onnx` is missing, or a layer has no operator in ONNX.
    StorageError
        If the file cannot be written.
    """
    check_path(path)
    try:
        import onnx
        from onnx import helper, numpy_helper
    except ImportError as error:
        raise InputError(
            f"export expected the package onnx, which is not installed: {pip_install('onnx')}"
        ) from error
    graph = _Graph(helper, numpy_helper)
    for position, layer in enumerate(network.layers):
        convert = CONVERTERS.get(type(layer).__name__)
        if convert is None or not type(layer).__module__.startswith("numpymlp."):
            raise InputError(
                f"{layer} has no operator in ONNX: expected layers of {', '.join(CONVERTERS)}"
            )
        graph.layer = position
        convert(graph, layer)
    head = network.head.name
    graph.add(HEADS[head], output=OUTPUTS[head])
    kind = onnx.TensorProto.FLOAT
    features: Any = network.shapes[0] or [None]
    logits: Any = (network.shapes[-1] or (None,))[-1]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "numpymlp",
            [helper.make_tensor_value_info(INPUT, kind, ["N", *features])],
            [helper.make_tensor_value_info(OUTPUTS[head], kind, ["N", logits])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="numpymlp",
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    write_bytes(path, model.SerializeToString())


class _Graph:
    """The operators so far, in a row: each reads the output of the one before it."""

    def __init__(self, helper: Any, numpy_helper: Any) -> None:
        self._helper, self._numpy = helper, numpy_helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last, self.layer = INPUT, 0

    def add(self, operator: str, *constants: str, output: str = "", **attributes: Any) -> None:
        """Append an operator that reads the last output, and constants."""
        output = output or f"{self.layer}.{operator}.{len(self.nodes)}"
        inputs = [self.last, *constants]
        self.nodes.append(self._helper.make_node(operator, inputs, [output], **attributes))
        self.last = output

    def constant(self, name: str, values: np.ndarray) -> str:
        """Store an array under the name of its layer; return that name."""
        name = f"{self.layer}.{name}"
        if values.dtype.kind == "f":
            values = values.astype(np.float32)
        self.constants.append(self._numpy.from_array(np.ascontiguousarray(values), name))
        return name

    def add_for_images(self, operator: str, *constants: str, **attributes: Any) -> None:
        """Append an operator on images between transpositions to (N, C, H, W) and back."""
        self.add("Transpose", perm=[0, 3, 1, 2])
        self.add(operator, *constants, **attributes)
        self.add("Transpose", perm=[0, 2, 3, 1])


def _dense(graph: _Graph, layer: Any) -> None:
    graph.add("Gemm", graph.constant("W", layer.W), graph.constant("b", layer.b))


def _conv(graph: _Graph, layer: Any) -> None:
    # W: (k, k, C, F) -> (F, C, k, k)
    weights = graph.constant("W", layer.W.transpose(3, 2, 0, 1))
    graph.add_for_images(
        "Conv",
        weights,
        graph.constant("b", layer.b),
        strides=[layer.stride] * 2,
        auto_pad="SAME_UPPER" if layer.padding == "same" else "VALID",
    )


def _pool(operator: str) -> Callable[[_Graph, Any], None]:
    def convert(graph: _Graph, layer: Any) -> None:
        sizes = {"kernel_shape": [layer.size] * 2, "strides": [layer.stride] * 2}
        graph.add_for_images(operator, **sizes)

    return convert


def _batch_norm(graph: _Graph, layer: Any) -> None:
    # y = x scale + shift: the formula of evaluation, for vectors and for images alike.
    scale = layer.gamma / np.sqrt(layer.running_variance + layer.epsilon)
    graph.add("Mul", graph.constant("scale", scale))
    graph.add("Add", graph.constant("shift", layer.beta - layer.running_mean * scale))


def _gelu(graph: _Graph, layer: Any) -> None:
    # y = x sigmoid(2 u); the operator Gelu needs a newer opset. Where x^3 overflows, u is infinite.
    x = graph.last
    graph.add("Mul", x)
    graph.add("Mul", graph.constant("cubic", np.array([0.044715])))
    graph.add("Add", graph.constant("one", np.ones(1)))
    graph.add("Mul", x)
    graph.add("Mul", graph.constant("scale", np.array([2 * ROOT])))
    graph.add("Sigmoid")
    graph.add("Mul", x)


def _reshape(graph: _Graph, layer: Any) -> None:
    # -1 stands for N; 0 would copy a length of the input.
    shape = np.array([-1, layer.height, layer.width, layer.channels], np.int64)
    graph.add("Reshape", graph.constant("shape", shape))


CONVERTERS: dict[str, Callable[[_Graph, Any], None]] = {
    "Dense": _dense,
    "ReLU": lambda graph, layer: graph.add("Relu"),
    "LeakyReLU": lambda graph, layer: graph.add("LeakyRelu", alpha=float(layer.slope)),
    "GELU": _gelu,
    "Sigmoid": lambda graph, layer: graph.add("Sigmoid"),
    "Tanh": lambda graph, layer: graph.add("Tanh"),
    "Dropout": lambda graph, layer: None,
    "BatchNorm": _batch_norm,
    "Conv2D": _conv,
    "MaxPool2D": _pool("MaxPool"),
    "AveragePool2D": _pool("AveragePool"),
    "Flatten": lambda graph, layer: graph.add("Flatten"),
    "Reshape": _reshape,
}
