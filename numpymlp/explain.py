"""Explain one pass: every array of forward, backward and step, with its formula.

`trace` runs the four lines of training on a copy of a network whose layers record what they return.
Printed, the result is a text; in a notebook it is Markdown; `plots.pass_through` draws it.
`numpymlp explain --hidden 3` prints a pass that is small enough for pencil and paper.

In names and formulas, dW is dL/dW, the gradient of the loss with respect to W, and 0.dW is dW of
layer 0. The x and y of a layer's formula are the input and the output of that layer.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numpymlp import convolution, layers, losses, optimizers
from numpymlp.layer_protocol import Layer
from numpymlp.network import Network, loss_value
from numpymlp.validation import InputError

MOST_ROWS = 1000  # samples of a batch: a trace keeps every array of the pass
MOST_SHOWN = 8, 10  # rows and columns of an array that is printed in full
LARGEST = 6  # entries that are printed of a larger array
METHODS = ("forward", "backward", "step")  # what a formula describes

# ---- formulas ----


def number(value: Any) -> str:
    """Write a number to four digits."""
    return f"{value + 0.0:.4g}"  # + 0.0: no minus before a 0


MEAN = "L = sum_i w_i l_i with w_i = 1 / N"
CLOSED = "closed where x <= 0"
SHAPED = {"y": "y = x in another shape", "dx": "dx = dy in the shape of x"}
ADAM = {
    "m": "m = beta1 m + (1 - beta1) g",
    "v": "v = beta2 v + (1 - beta2) g^2",
    "t": "t = t + 1",
    "p": "p = p - a_t m / (sqrt(v) + epsilon) with a_t = a sqrt(1 - beta2^t) / (1 - beta1^t)",
}
# fmt: off
# The formulas of a class by the name of the array; as a function where settings decide.
FORMULAS: dict[type, Any] = {
    layers.Dense: {"y": "y = x W + b", "dW": "dW = x^T dy", "db": "db = sum over the batch of dy",
                   "dx": "dx = dy W^T"},
    layers.ReLU: {"closed": CLOSED, "y": "y = max(x, 0)", "dx": "dx = dy where x > 0, else 0"},
    layers.LeakyReLU: {"closed": CLOSED, "y": "y = max(x, slope x)",
                       "dx": "dx = dy where x > 0, else slope dy"},
    layers.GELU: {
        "s": "s = sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3)", "y": "y = x s",
        "dx": "dx = dy (s + x s (1 - s) 2 du/dx)"},
    layers.Sigmoid: {"y": "y = 1 / (1 + exp(-x))", "dx": "dx = dy y (1 - y)"},
    layers.Tanh: {"y": "y = tanh(x)", "dx": "dx = dy (1 - y^2)"},
    layers.Dropout: lambda layer: {"y": "y = x", "dx": "dx = dy"} if layer.cache is None else {
        "mask": "mask = 1 / (1 - rate), or 0 at random", "y": "y = mask x", "dx": "dx = mask dy"},
    layers.BatchNorm: lambda layer: {
        "running_mean": "running mean of the means of the batches",
        "running_variance": "running mean of the variances of the batches",
        "x_hat": "x_hat = (x - mean) / std with std = sqrt(variance + epsilon)",
        "y": "y = gamma x_hat + beta",
        "dgamma": "dgamma = sum over the batch of dy x_hat",
        "dbeta": "dbeta = sum over the batch of dy",
        "dx": "dx = (g - mean(g) - x_hat mean(g x_hat)) / std with g = gamma dy"
        if layer.cache[2] else "dx = gamma dy / std"},
    convolution.Conv2D: {
        "y": "y = rows W + b, a row for each window of x", "dW": "dW = rows^T dy",
        "db": "db = sum over images and pixels of dy", "dx": "dx: each window gets dy W^T"},
    convolution.MaxPool2D: {
        "chosen": "place of the largest pixel in its window",
        "y": "y = max(window)", "dx": "dx = dy at the largest pixel of a window, else 0"},
    convolution.AveragePool2D: {
        "y": "y = mean(window)", "dx": "dx: each pixel of a window gets its share of dy"},
    convolution.Flatten: SHAPED,
    convolution.Reshape: SHAPED,
    losses.SoftmaxCrossEntropy: lambda loss: {
        "loss": f"{MEAN}, l_i = -(1 - e) log p_i at y_i - e mean(log p_i)",
        "dlogits": "dlogits = w_i (p - (1 - e) y - e / K)",
    } if loss.label_smoothing else {
        "loss": f"{MEAN}, l_i = -log p_i at y_i", "dlogits": "dlogits = w_i (p - y)"},
    losses.SigmoidCrossEntropy: {
        "loss": f"{MEAN}, l_i = sum_k -y log p - (1 - y) log(1 - p)",
        "dlogits": "dlogits = w_i (p - y)"},
    losses.MeanSquaredError: {
        "loss": f"{MEAN}, l_i = sum_k (z_ik - y_ik)^2 / 2", "dlogits": "dlogits = w_i (z - y)"},
    losses.L2Penalty: {"penalty": "strength / 2 times the sum of squared weights",
                       "gradients": "dW + strength W; biases stay"},
    optimizers.SGD: lambda sgd: {"p": "p = p - a g"} if not sgd.momentum else {
        "v": "v = mu v - a g", "p": "p = p + mu v - a g" if sgd.nesterov else "p = p + v"},
    optimizers.Adam: ADAM,
    optimizers.AdamW: {**ADAM, "p": f"p = p - a weight_decay mask p, then {ADAM['p']}"},
}
# fmt: on
PROBABILITIES = {
    "softmax": (losses.softmax, "p_k = exp(z_k) / sum_j exp(z_j)"),
    "sigmoid": (layers.sigmoid, "p = 1 / (1 + exp(-z))"),
}


def formulas_of(thing: Any, main: str) -> dict[str, str]:
    """Return the formulas of a layer, loss or optimizer by the name of the array.

    A custom class may state them as its attribute `formula`: a string for what it returns, named
    `main`, or a dict for several arrays, ``{"y": "y = factor x", "dx": "dx = factor dy"}``.
    """
    stated, found = getattr(thing, "formula", {}), {}
    for base in type(thing).__mro__:
        # A subclass that overrides one of METHODS does not inherit the formulas.
        methods = ([getattr(k, m, None) for m in METHODS] for k in (base, type(thing)))
        if base in FORMULAS and next(methods) == next(methods):
            found = FORMULAS[base](thing) if callable(FORMULAS[base]) else FORMULAS[base]
            break
    return {**found, **({main: stated} if isinstance(stated, str) else stated)}


def latex(formula: str) -> str:
    """Return a formula as LaTeX; words become text, d before a name an upright d."""
    greek = "gamma|beta|epsilon|mu|pi"
    formula = re.sub(r"sqrt\(([^()]*)\)", r"\\sqrt{\1}", formula).replace("^T", r"^\top ")
    formula = formula.replace("<=", r"\le ").replace(" * ", r" \cdot ")

    def word(match: re.Match[str]) -> str:
        name = match[0]
        if letter := re.fullmatch(rf"(d?)({greek}|[A-Za-z])(_hat)?", name):
            symbol = "\\" * (len(letter[2]) > 1) + letter[2]
            return r"\mathrm{d}" * bool(letter[1]) + (rf"\hat{{{symbol}}}" if letter[3] else symbol)
        if sub := re.fullmatch(rf"({greek}|[A-Za-z]|sum)(?:_([a-z]{{1,2}})|([0-9]))", name):
            return "\\" * (len(sub[1]) > 1) + f"{sub[1]}_{{{sub[2] or sub[3]}}}"
        text = name.replace("_", " ")
        return f"\\{name} " if name in ("exp", "log", "max", "tanh") else rf"\text{{ {text} }}"

    return re.sub(r"(?<!\\)\b[A-Za-z]\w*", word, formula).replace(r" } \text{ ", " ")


# ---- one pass ----


@dataclass(frozen=True)
class Step:
    """One array of a pass."""

    name: str  # "x", "0.y", "logits", "loss", "dlogits", "2.dW", "0.dx", "new 0.W", ...
    part: str  # "forward", "backward" or "optimizer"
    owner: str  # the layer, loss or optimizer that it belongs to
    formula: str  # "" where none is known
    values: np.ndarray  # a copy; of shape () for a single number
    where: str  # the function that computes it, such as "layers.Dense.forward"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def lines(self) -> list[str]:
        """Return the numbers as lines of text; of a large array, the largest, and a summary."""
        values, rows = self.values, np.atleast_2d(self.values)
        if rows.ndim == 2 and all(np.less_equal(rows.shape, MOST_SHOWN)):
            cells = _cells(rows)
            width = max(len(cell) for cell in cells)
            cells = [cell.rjust(width) for cell in cells]
            return [
                "  ".join(cells[i : i + len(rows[0])]) for i in range(0, len(cells), len(rows[0]))
            ]
        if values.dtype == bool:
            return [f"{values.sum():,} of {values.size:,}"]
        sizes = np.abs(values.astype(np.float64)).ravel()
        top = np.argpartition(-sizes, LARGEST)[:LARGEST]
        top = top[np.argsort(-sizes[top], kind="stable")]
        places = np.transpose(np.unravel_index(top, values.shape)).tolist()
        pairs = zip(places, _cells(values.ravel()[top]), strict=True)
        zeros = f", {int((sizes == 0).sum()):,} of all are 0" if not sizes.all() else ""
        rms = f"left out: {sizes.size - LARGEST:,}; RMS of all {number(np.sqrt((sizes**2).mean()))}"
        return ["largest: " + "  ".join(f"{place} {cell}" for place, cell in pairs), rms + zeros]


def _cells(values: np.ndarray) -> list[str]:
    """Write numbers with the decimals that the largest needs for four digits, or fewer."""
    flat = values.ravel()
    if flat.dtype.kind != "f":
        return [("open", "closed")[v] if flat.dtype == bool else str(v) for v in flat.tolist()]
    largest = np.abs(flat[np.isfinite(flat)]).max(initial=0.0) or 1.0
    digits = 3 - int(np.floor(np.log10(largest)))
    if not 0 <= digits <= 8:
        return [f"{v:.3e}" for v in flat]
    while digits and (np.round(flat, digits) == np.round(flat, digits - 1)).all():
        digits -= 1
    least = 0.5 * 10.0**-digits  # smaller numbers would be rounded to 0
    tiny = [f"{v:.0e}" if v else "0" for v in flat]
    return [t if abs(v) < least else f"{v:.{digits}f}" for t, v in zip(tiny, flat, strict=True)]


@dataclass(frozen=True)
class Trace:
    """Every array of one pass, in order; ``trace["2.dW"]`` is one step, ``str(trace)`` a text."""

    title: str
    steps: tuple[Step, ...]

    def __getitem__(self, name: str) -> Step:
        return {step.name: step for step in self.steps}[name]

    def text(self, written_out: Mapping[str, Sequence[str]] = MappingProxyType({})) -> str:
        """Return all steps as text; the lines in `written_out` replace the numbers of a step."""
        rows = [(step.name, str(step.shape), step.where) for step in self.steps]
        a, b, c = (max(map(len, column)) for column in zip(*rows, strict=True))
        text = [self.title]
        for part, group in groupby(self.steps, lambda step: step.part):
            text += ["", part.upper()]
            for owner, steps in groupby(group, lambda step: step.owner):
                text.append(owner)
                for s in steps:
                    head = f"  {s.name:<{a}}  {s.shape!s:<{b}}  {s.where:<{c}}  {s.formula}"
                    lines = written_out.get(s.name) or s.lines()
                    text += [head.rstrip(), *(f"      {line}" for line in lines)]
        return "\n".join(text)

    def __str__(self) -> str:
        return self.text()

    def _repr_markdown_(self) -> str:
        text = [f"**{self.title}**"]
        for part, steps in groupby(self.steps, lambda step: step.part):
            text += ["", f"### {part.capitalize()}", ""]
            text += ["| | shape | formula | values | function |", "| --- | --- | --- | --- | --- |"]
            for s in steps:
                formula = f"${latex(s.formula)}$" if s.formula else ""
                values = "<br>".join(f"`{line}`" for line in s.lines())
                text.append(f"| `{s.name}` | {s.shape} | {formula} | {values} | `{s.where}` |")
        return "\n".join(text)


def trace(
    network: Network,
    loss: losses.Loss,
    x: ArrayLike,
    y: ArrayLike,
    optimizer: optimizers.Optimizer | None = None,
    *,
    sample_weight: np.ndarray | None = None,
    penalty: losses.L2Penalty | None = None,
    factor: float = 1.0,
    training: bool = True,
) -> Trace:
    """Record every array of one forward and backward pass, and of the step that follows.

    Nothing changes: the pass runs on copies, random states included, so the next step of training
    on the same batch computes the same bits. Unlike training, it computes the input gradient 0.dx.

    Parameters
    ----------
    x, y : ndarray of shape (N, in), and (N,) or (N, out)
        A batch of at most 1,000 samples.
    optimizer : Optimizer, optional
        Its next step is recorded too; `factor` is the schedule's factor on the learning rate.
    sample_weight, penalty, training
        As for `loss_and_gradient`; without training, dropout and batch norm work as in prediction.

    Raises
    ------
    InputError
        If the batch is too large, or does not fit the network or the loss.
    """
    batch, y = _check(network, loss, x, optimizer), np.asarray(y)
    network, loss = network.copy(), copy.deepcopy(loss)
    optimizer, penalty = copy.deepcopy((optimizer, penalty))
    record, owner = Recorder([]), f"loss: {loss}"
    record.add("forward", "input", "x", batch.astype(network.dtype), network.walk)
    record.add("forward", "input", "target", y, loss.forward)
    for position, layer in enumerate(network.layers):
        record.listen(layer, position, position == len(network.layers) - 1)

    logits = network.forward(batch, training)
    if head := PROBABILITIES.get(network.head.name):
        record.add("forward", "output", "probabilities", head[0](logits), *head)
    value, rules = loss_value(loss, logits, y, sample_weight), formulas_of(loss, "loss")
    record.add("forward", owner, "loss", value, loss.forward, rules.get("loss"))
    dlogits = loss.backward()
    record.add("backward", owner, "dlogits", dlogits, loss.backward, rules.get("dlogits"))
    network.backward(dlogits, input_gradient=True)
    if penalty is not None:
        record.penalty(network, penalty)
    if optimizer is not None:
        record.step(network, optimizer, factor)
    one = "one sample" if len(batch) == 1 else f"{len(batch)} samples"
    return Trace(f"{network}, {loss}, {one}", tuple(record.steps))


def _check(network: Network, loss: Any, x: ArrayLike, optimizer: Any) -> np.ndarray:
    batch, head = network.check_batch(x), network.head.name
    if len(batch) > MOST_ROWS:
        raise InputError(
            f"x: expected at most {MOST_ROWS:,} samples, whose every number is kept, got "
            f"{len(batch):,}: explain a few, x[:4] and y[:4]"
        )
    for name, part, method in (("loss", loss, "backward"), ("optimizer", optimizer, "step")):
        if part is not None and (isinstance(part, type) or not hasattr(part, method)):
            raise InputError(f"{name}: expected an object with {method}(), got {part!r:.80}")
    if head not in (heads := getattr(loss, "heads", (head,))):
        raise InputError(
            f"loss: {loss} expected a network with output={' or '.join(map(repr, heads))}, got "
            f"{head!r}: its probabilities would not be those of the loss"
        )
    return batch


class Recorder(NamedTuple):
    """The steps of a pass, in order."""

    steps: list[Step]

    def add(
        self, part: str, owner: str, name: str, values: Any, function: Any, formula: str | None = ""
    ) -> None:
        where = f"{function.__module__}.{function.__qualname__}".removeprefix("numpymlp.")
        self.steps.append(Step(name, part, owner, formula or "", np.array(values), where))

    def listen(self, layer: Layer, position: int, last: bool) -> None:
        """Let a layer of a copied network record its parameters, outputs and gradients."""
        forward, backward, owner = layer.forward, layer.backward, f"layer {position}: {layer}"
        parameters = layer.declared("parameter")

        def recorded_forward(x: np.ndarray, training: bool = False) -> np.ndarray:
            y = forward(x, training)
            for name in parameters:
                self.add(
                    "forward",
                    owner,
                    f"{position}.{name}",
                    getattr(layer, name),
                    Network.named_parameters,
                )
            formulas = formulas_of(layer, "y")
            for name, values in {**_inside(layer), "y": y}.items():
                title = "logits" if last and name == "y" else f"{position}.{name}"
                self.add("forward", owner, title, values, forward, formulas.get(name))
            return y

        def recorded_backward(dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
            dx, formulas = backward(dy, input_gradient), formulas_of(layer, "y")
            for name in parameters.values():
                values = getattr(layer, name)
                self.add(
                    "backward", owner, f"{position}.{name}", values, backward, formulas.get(name)
                )
            self.add("backward", owner, f"{position}.dx", dx, backward, formulas.get("dx"))
            return dx

        vars(layer).update(forward=recorded_forward, backward=recorded_backward)

    def penalty(self, network: Network, penalty: losses.L2Penalty) -> None:
        """Record the penalty, and the gradients of loss + penalty."""
        owner, formulas = f"penalty: {penalty}", formulas_of(penalty, "penalty")
        price = penalty.forward(network.parameters, network.decay_mask)
        self.add("backward", owner, "penalty", price, penalty.forward, formulas.get("penalty"))
        network.gradients += penalty.backward()
        for name, values in network.named_gradients().items():
            title, formula = f"{name.replace('.', '.d')} + penalty", formulas.get("gradients")
            self.add("backward", owner, title, values, penalty.backward, formula)

    def step(self, network: Network, optimizer: Any, factor: float) -> None:
        """Take the step of the optimizer; record its state and the new parameters."""
        owner, formulas = f"optimizer: {optimizer}", formulas_of(optimizer, "p")
        owner += f", times {number(factor)} by the schedule" if factor != 1 else ""
        optimizer.step(network.parameters, network.gradients, factor)
        vectors = {name: getattr(optimizer, name) for name in getattr(optimizer, "state_names", ())}
        for state, values in {**vectors, "p": network.parameters}.items():
            if state not in formulas and "p" in formulas:
                continue  # such as v of SGD without momentum
            stop = 0
            for name, view in network.named_parameters().items():
                if np.shape(values) != network.parameters.shape:
                    self.add("optimizer", owner, state, values, optimizer.step, formulas.get(state))
                    break
                part = values[stop : (stop := stop + view.size)].reshape(view.shape)
                title = f"new {name}" if state == "p" else f"{state} of {name}"
                self.add("optimizer", owner, title, part, optimizer.step, formulas.get(state))


def _inside(layer: Any) -> dict[str, np.ndarray]:
    """Return a layer's intermediate results, and the buffers that it has updated."""
    inside = {name: getattr(layer, name) for name in layer.declared("buffer")}
    if hasattr(layer, "kink_side"):
        side = layer.kink_side()
        inside |= {"closed": ~side} if side.dtype == bool else {"chosen": side}
    if isinstance(layer, layers.Dropout) and layer.cache is not None:
        inside["mask"] = layer.cache
    if isinstance(layer, layers.BatchNorm):
        inside["x_hat"] = layer.cache[0]
    if isinstance(layer, layers.GELU):
        inside["s"] = layer.cache[2]
    return inside
