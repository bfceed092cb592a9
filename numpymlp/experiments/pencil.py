"""A network for pencil and paper: round numbers, and the arithmetic of its pass written out.

`numpymlp explain --hidden 3` prints it. The numbers and formulas are those of `explain.trace`; this
module writes the terms from which each number is computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from numpymlp.experiments.sizes import check_memory
from numpymlp.explain import MEAN, Step, Trace, number
from numpymlp.losses import Loss, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from numpymlp.models import mlp
from numpymlp.network import Network
from numpymlp.optimizers import Optimizer
from numpymlp.validation import check_choice, check_positive_integer

LOSSES: dict[str, tuple[type[Loss], str]] = {
    "softmax": (SoftmaxCrossEntropy, "softmax"),
    "sigmoid": (SigmoidCrossEntropy, "sigmoid"),
    "squared-error": (MeanSquaredError, "identity"),
}
MOST = 12  # entries of an array, and products in a sum, that are written out
TRIES = 200  # seeds among which a telling network is looked for

Arrays = dict[str, Any]


def pencil_network(
    hidden: Sequence[int] = (3,),
    *,
    inputs: int = 2,
    outputs: int = 2,
    activation: str = "relu",
    loss: str = "softmax",
) -> tuple[Network, Loss, np.ndarray, np.ndarray]:
    """Return a network whose weights are halves, its loss, and one sample (x, y).

    Of a few seeds the first is taken that leaves something to learn: the answer is wrong, and every
    hidden layer of several ReLUs has both an open and a closed gate.

    Parameters
    ----------
    hidden : sequence of int
        Units of the hidden layers.
    inputs, outputs : int
    activation : str
        As for `mlp`.
    loss : {"softmax", "sigmoid", "squared-error"}
    """
    made, head = LOSSES[check_choice(loss, "loss", tuple(LOSSES))]
    for name, size in (("inputs", inputs), ("outputs", outputs)):
        check_positive_integer(size, name)
    check_memory([inputs, *hidden, outputs], 1, "rows")
    sizes = [inputs, *hidden, outputs]
    network = mlp(sizes, activation, output=head, dtype=np.float64, rng=np.random.default_rng(0))
    x = np.arange(1.0, inputs + 1)[None] % 3
    y = np.array([0]) if loss == "softmax" else np.eye(1, outputs)
    small = network.parameters.size <= 1000
    for seed in range(TRIES if small else 1):
        rng, mask = np.random.default_rng(seed), network.decay_mask
        weights = rng.choice([-1.0, -0.5, 0.5, 1.0, 2.0], mask.size)
        network.parameters = np.where(mask > 0, weights, rng.choice([-0.5, 0.0, 0.5], mask.size))
        if _is_telling(network, x):
            break
    return network, made(), x, y


def _is_telling(network: Network, x: np.ndarray) -> bool:
    """Return whether gates are open and closed, and the target is unlikely but not hopeless."""
    outputs, mixed = network.activations(x), True
    for layer, before in zip(network.layers[1:], outputs, strict=False):
        if hasattr(layer, "kink_side") and before.size > 1:
            closed = (before < 0).sum()
            mixed &= bool(before.all() and 1 <= closed <= before.size / 2)
    z = outputs[-1][0]
    if len(z) == 1 or network.head.name != "softmax":
        return mixed and 0.2 < abs(z).max() < 3
    return mixed and 0.3 < z[1:].max() - z[0] < 2.5


# ---- the arithmetic ----


def written_out(trace: Trace, network: Network, optimizer: Optimizer | None = None) -> Any:
    """Return the arithmetic of every small array of a trace: a dict from its name to lines.

    Each line is one entry: its place, the terms, and the result.
    """
    lines = {}
    for step, arrays in _with_arrays(trace, network, optimizer):
        if step.formula in TERMS and step.values.size <= MOST:
            work = TERMS[step.formula]
            lines[step.name] = _lines(step, work, arrays)
    return {name: text for name, text in lines.items() if text}


def _key(step: Step) -> str:
    """Return the name of a layer's array: "dW" of "0.dW", "y" of the logits."""
    return "y" if step.name == "logits" else step.name.rpartition(".")[2]


def _with_arrays(trace: Trace, network: Network, optimizer: Any) -> Iterator[tuple[Step, Arrays]]:
    """Yield each step with what its arithmetic reads, by the names of the formulas."""
    of_layer: dict[str, Arrays] = {}
    x = dy = trace["x"].values
    named = {step.name: step.values for step in trace.steps}
    for step in trace.steps:
        if step.owner.startswith("layer"):
            position = int(step.owner.split(":")[0].removeprefix("layer "))
            arrays = of_layer.setdefault(
                step.owner, {**_settings(network.layers[position]), "x": x}
            )
            if step.part == "backward":
                arrays["dy"] = dy
            arrays[_key(step)] = step.values
            if _key(step) == "y":
                x = step.values
            if _key(step) == "dx":
                dy = step.values
            yield step, arrays
        elif step.part == "optimizer":
            of = step.name.rpartition(" ")[2]
            gradient = of.replace(".", ".d")
            yield (
                step,
                _settings(optimizer)
                | {
                    "p": named.get(of),
                    "g": named.get(f"{gradient} + penalty", named.get(gradient)),
                    "v": named.get(f"v of {of}"),
                },
            )
        else:
            dy = named["dlogits"]
            yield step, {"z": named["logits"], "p": named.get("probabilities"), "y": _rows(named)}


def _rows(named: Arrays) -> np.ndarray:
    """Return the targets as rows (N, K)."""
    z, y = named["logits"], named["target"]
    return y.reshape(z.shape) if y.size == z.size else np.eye(z.shape[1])[y]


def _settings(thing: Any) -> Arrays:
    return {name: value for name, value in vars(thing).items() if isinstance(value, float)}


def _lines(step: Step, work: str | Callable[..., str], arrays: Arrays) -> list[str]:
    needed = re.findall(r"{(\w+)}", work) if isinstance(work, str) else []
    lines = []
    for i in np.ndindex(step.shape):
        if callable(work):
            terms = work(arrays, *i)
        else:
            values = {n: np.broadcast_to(arrays[n], step.shape)[i] for n in needed}
            terms = work.format(**{n: _term(value) for n, value in values.items()})
        # Without the brackets of a first term: -1 * 2 and exp(-1), not (-1) * 2 and exp((-1)).
        terms = re.sub(r"(^|(?<=[a-z]\())\((-[^()]*)\)(?!\^)", r"\2", terms)
        if not terms or terms.count("*") > MOST:
            return []
        result = number(step.values[i])
        place = f"[{', '.join(map(str, i))}]" if i else ""
        equal = "" if terms in (result, f"({result})") else f"{terms} = "
        lines.append(f"{step.name}{place} = {equal}{result}")
    return lines


def _term(value: Any) -> str:
    return f"({number(value)})" if value < 0 else number(value)


def _products(a: np.ndarray, b: np.ndarray, *more: Any) -> str:
    terms = [f"{_term(u)} * {_term(v)}" for u, v in zip(a, b, strict=True)]
    return " + ".join([*terms, *map(_term, more)])


def _softmax(a: Arrays, n: int, k: int) -> str:
    powers = [f"exp({number(z)})" for z in a["z"][n]]
    return f"{powers[k]} / ({' + '.join(powers)})"


def _loss(of: str, text: Callable[[str, float], str]) -> Callable[[Arrays], str]:
    """Return the terms of a loss, given the text for one output and its target."""

    def work(a: Arrays) -> str:
        rows = [
            " + ".join(filter(None, (text(number(u), v) for u, v in zip(*row, strict=True))))
            for row in zip(a[of], a["y"], strict=True)
        ]
        return rows[0] if len(rows) == 1 else f"({' + '.join(rows)}) / {len(rows)}"

    return work


def _difference(of: str) -> Callable[..., str]:
    def work(a: Arrays, n: int, k: int) -> str:
        terms, rows = f"{_term(a[of][n, k])} - {_term(a['y'][n, k])}", len(a["y"])
        return terms if rows == 1 else f"({terms}) / {rows}"

    return work


def _binary(p: str, y: float) -> str:
    return f"-log({p})" if y == 1 else f"-log(1 - {p})"


def _gate(a: Arrays, *i: int) -> str:
    if not a["closed"][i]:
        return f"{_term(a['dy'][i])} * 1"
    return f"{_term(a['dy'][i])} * {number(a.get('slope', 0.0))}"


# The terms of one entry by the formula: a template, or a function of the arrays and the place.
TERMS: dict[str, str | Callable[..., str]] = {
    "y = x W + b": lambda a, n, j: _products(a["x"][n], a["W"][:, j], a["b"][j]),
    "dW = x^T dy": lambda a, i, j: _products(a["x"][:, i], a["dy"][:, j]),
    "db = sum over the batch of dy": lambda a, j: " + ".join(map(_term, a["dy"][:, j])),
    "dx = dy W^T": lambda a, n, i: _products(a["dy"][n], a["W"][i]),
    "y = max(x, 0)": "max({x}, 0)",
    "y = max(x, slope x)": "max({x}, {slope} * {x})",
    "dx = dy where x > 0, else 0": _gate,
    "dx = dy where x > 0, else slope dy": _gate,
    "s = sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3)": (
        "1 / (1 + exp(-1.5958 * ({x} + 0.044715 * {x}^3)))"
    ),
    "y = x s": "{x} * {s}",
    "dx = dy (s + x s (1 - s) 2 du/dx)": (
        "{dy} * ({s} + {x} * {s} * (1 - {s}) * 1.5958 * (1 + 3 * 0.044715 * {x}^2))"
    ),
    "y = 1 / (1 + exp(-x))": "1 / (1 + exp(-{x}))",
    "dx = dy y (1 - y)": "{dy} * {y} * (1 - {y})",
    "y = tanh(x)": "tanh({x})",
    "dx = dy (1 - y^2)": "{dy} * (1 - {y}^2)",
    "p_k = exp(z_k) / sum_j exp(z_j)": _softmax,
    "p = 1 / (1 + exp(-z))": "1 / (1 + exp(-{z}))",
    f"{MEAN}, l_i = -log p_i at y_i": _loss("p", lambda p, y: f"-log({p})" if y == 1 else ""),
    f"{MEAN}, l_i = sum_k -y log p - (1 - y) log(1 - p)": _loss("p", _binary),
    f"{MEAN}, l_i = sum_k (z_ik - y_ik)^2 / 2": _loss("z", lambda z, y: f"({z} - {y:g})^2 / 2"),
    "dlogits = w_i (p - y)": _difference("p"),
    "dlogits = w_i (z - y)": _difference("z"),
    "p = p - a g": "{p} - {learning_rate} * {g}",
    "p = p + v": "{p} + {v}",
    "p = p + mu v - a g": "{p} + {momentum} * {v} - {learning_rate} * {g}",
}
