# %% [markdown]
# # 12 Automatic differentiation: write the forward pass, get the backward pass
#
# ## What you will build
#
# On page 05 you derived every gradient by hand. Here you write fewer than a hundred lines that
# derive them for you, for any formula made of a few operations. First the variables are single
# numbers, then whole arrays. Both times you get the gradients of page 05. Libraries such as PyTorch
# and JAX rest on this idea.
#
# ## What you need
#
# [Page 05](05_backpropagation.ipynb): the small network, its gradients, and the rule that the
# slopes of several paths are added. Python classes: what `self` is.
#
# ## Symbols
#
# | formula | code | meaning |
# |---|---|---|
# | $v$ | `v.value` | a value of the forward pass: a number, later an array |
# | $\partial L/\partial v$ | `v.gradient` | the gradient of the result with respect to it |
# | | `v.edges` | its operands, the values it was computed from, each with its slope |
# | $\partial v/\partial a$ | `slope` | how fast $v$ grows with its operand $a$, the others fixed |
# | $x, W_1, b_1, W_2, b_2$ | `x`, `W1`, ... | input and parameters, as on page 05 |
# | $c$ | `y` | the targets: the correct classes |
# | $L$ | `loss` | the loss |

# %%
import itertools
import math
import time

import matplotlib.pyplot as plt
import numpy as np
from drawing import you_are_here

from numpymlp import load_mnist
from numpymlp.plots.style import QUIET, TRAIN, WRONG

# %matplotlib inline

# %% tags=["hide-input"]
you_are_here("the orange numbers, without a formula by hand")

# %% [markdown]
# ## What was done by hand
#
# On page 06 a loop called the `backward` of each layer. But you had derived each of these
# `backward` methods yourself. Now look inside a layer: it only multiplies, adds, and takes a
# maximum. The loss also needs exponentials and logarithms. There are five operations, and each has
# a derivative known from school. If every operation notes its derivative while it computes, the
# chain rule can do the rest.
#
# ## A number that remembers
#
# A `Value` holds a number and its *edges*: the operands from which the number was computed, each
# with its slope. It also counts how many values were made before it. We will need this order.


# %%
class Value:
    """A number that remembers from which numbers it was computed."""

    made = itertools.count()

    def __init__(self, value, *edges):
        self.value = value
        self.edges = edges  # pairs (operand, slope)
        self.order = next(Value.made)
        self.gradient = 0.0


# %% [markdown]
# Now addition and multiplication. If $v = a + b$, then $v$ grows as fast as $a$, and as fast as
# $b$: both slopes are 1. If $v = a \cdot b$, the slope with respect to $a$ is $b$, and the slope
# with respect to $b$ is $a$. The last line tells Python to use these functions for `+` and `*`.


# %%
def add(a, b):
    return Value(a.value + b.value, (a, 1.0), (b, 1.0))


def multiply(a, b):
    return Value(a.value * b.value, (a, b.value), (b, a.value))


Value.__add__, Value.__mul__ = add, multiply

a, b = Value(2.0), Value(-3.0)
result = a * b + a
print(result.value)
print("operands and slopes:", [(operand.value, slope) for operand, slope in result.edges])

# %% [markdown]
# The result is -4. It remembers its operands, -6 and 2, and -6 remembers its own. Together they
# form a *graph*: values connected by arrows. To draw it, put the result on the right, and each
# other value left of all values that use it.


# %%
def before(root):
    """Return the values from which root was computed, and root, newest first."""
    found, todo = {root}, [root]
    while todo:
        for operand, _ in todo.pop().edges:
            if operand not in found:
                found.add(operand)
                todo.append(operand)
    return sorted(found, key=lambda value: value.order, reverse=True)


# %% [markdown]
# `before` walks from a value to its operands, to their operands, and so on. The next two functions
# only draw.


# %% tags=["hide-input"]
def places(root):
    """Return a place (column, height) for each value, the root in column 0."""
    column, users, at = dict.fromkeys(before(root), 0), {root: []}, {root: (0, 0.0)}
    for value in column:  # newest first: all users of a value come before it
        for operand, _ in value.edges:
            column[operand] = min(column[operand], column[value] - 1)
            users.setdefault(operand, []).append(value)
    for number in range(-1, min(column.values()) - 1, -1):
        row = [value for value in column if column[value] == number]
        row.sort(key=lambda value: np.mean([at[user][1] for user in users[value]]))
        at |= {value: (number, i - (len(row) - 1) / 2) for i, value in enumerate(row)}
    return at


# %% tags=["hide-input"]
def draw(axes, root, names=None, write="{:.0f}".format, size=12.0, up=1.0):
    """Draw a graph: each value in blue, its gradient below it in orange."""
    names, at = names or {}, {v: (c, up * h) for v, (c, h) in places(root).items()}
    for value, (left, height) in at.items():
        for operand, _ in value.edges:
            begin, end = (at[operand][0] + 0.27, at[operand][1]), (left - 0.27, height)
            bend = 0.35 if left - at[operand][0] > 1 else 0.0
            arrow = {"arrowstyle": "->", "color": QUIET, "connectionstyle": f"arc3,rad={-bend}"}
            axes.annotate("", end, begin, arrowprops=arrow)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        options = {"ha": "center", "fontsize": size, "bbox": box, "zorder": 3}
        text = f"{names[value]}\n" if value in names else ""
        axes.text(left, height, text + write(value.value), color=TRAIN, va="bottom", **options)
        axes.text(left, height, write(value.gradient), color=WRONG, va="top", **options)
    columns, heights = zip(*at.values(), strict=True)
    axes.set(xlim=(min(columns) - 0.5, 0.5), ylim=(min(heights) - 0.8, max(heights) + 0.8))
    axes.set_axis_off()


# %%
figure, axes = plt.subplots(figsize=(6, 2.4), layout="constrained")
product = result.edges[0][0]
draw(axes, result, {a: "a", b: "b", product: "product", result: "sum"})
plt.show()

# %% [markdown]
# The blue numbers are the values. The orange numbers below them are the gradients, still 0. You see
# two paths from $a$ to the result: one through the product, and one directly to the sum.
#
# ## Follow every path
#
# Page 05 had this rule: multiply the slopes along a path, and add up the paths. Here it is as a
# function. It adds what arrives at a value, and passes it on to each operand, times the slope.


# %%
calls = 0


def follow(value, slope_so_far=1.0):
    global calls
    calls += 1
    value.gradient += slope_so_far
    for operand, slope in value.edges:
        follow(operand, slope_so_far * slope)


follow(result)
print("gradient of a:", a.gradient, "  of b:", b.gradient)

# %% [markdown]
# By hand: the derivative of $ab + a$ with respect to $a$ is $b + 1 = -2$, and with respect to $b$
# it is $a = 2$. So three lines differentiate any formula of sums and products.
#
# ## Why the order matters
#
# **Predict, then run.** Add a number to itself, then the sum to itself, sixteen times. The graph
# has 17 values. How many calls does `follow` make?

# %% tags=["hide-output"]
start = total = Value(1.0)
for _ in range(16):
    total = total + total
calls = 0
follow(total)
print(f"{len(before(total))} values, {calls:,} calls, gradient {start.gradient:,.0f}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# 131,071. The gradient is right: $2^{16} = 65{,}536$. But every addition doubles the number of
# paths, and `follow` walks each path on its own. A network has far more paths than that.
#
# </details>
#
# The cure is to wait. A value should pass on its gradient *once*, after all paths to it have
# arrived. All users of a value are newer than the value itself. So go through the values from the
# newest to the oldest: then every value has its whole gradient when its turn comes. `before`
# returns them in this order.


# %%
def backward(root):
    """Compute the gradient of root with respect to every value it was computed from."""
    values = before(root)
    for value in values:
        value.gradient = 0.0
    root.gradient = 1.0
    for value in values:
        for operand, slope in value.edges:
            operand.gradient += value.gradient * slope


backward(total)
start_gradient = start.gradient
print(f"gradient {start_gradient:,.0f}, with {len(before(total))} turns")
backward(result)
print("gradient of a:", a.gradient, "  of b:", b.gradient)

# %% tags=["main"]
figure, axes = plt.subplots(figsize=(6, 2.4), layout="constrained")
draw(axes, result, {a: "a", b: "b", product: "product", result: "sum"}, size=15)
plt.show()

# %% [markdown]
# Read the orange numbers from right to left. The result has the gradient 1. The sum passes 1 on to
# the product and 1 to $a$. The product passes $1 \cdot a = 2$ to $b$ and $1 \cdot b = -3$ to $a$.
# The two shares of $a$ add up to -2.
#
# `backward` first sets all gradients to 0. Without this, a second call would add to the old
# gradients. (PyTorch does not set them to 0: there, you must do it before every step.)
#
# This is backpropagation. It is also called *reverse-mode automatic differentiation*. Automatic, as
# nobody derived a formula for this graph; reverse, since it goes from the result to the inputs.
#
# ## Page 05, number by number
#
# Three operations are missing. Each is one line: the value, and the slope from school. The
# derivative of $e^a$ is $e^a$ itself, and that of $\ln a$ is $1/a$.


# %%
def relu(a):
    return Value(max(a.value, 0.0), (a, float(a.value > 0)))


def exp(a):
    return Value(math.exp(a.value), (a, math.exp(a.value)))


def log(a):
    return Value(math.log(a.value), (a, 1 / a.value))


# %% [markdown]
# Here is the network of page 05: two inputs, three hidden neurons, two classes. NumPy's `@` needs
# nothing from its numbers but `+` and `*`, and our values have both. So the two lines with `@` are
# those of page 05. `np.frompyfunc` makes a function of one number work on each entry of an array.
# The correct class is 1, so the loss is $\ln(e^{z_0} + e^{z_1}) - z_1$, with the logits $z_0$ and
# $z_1$ (this $z_1$ is one number, not the `z1` of the hidden layer). (For simplicity without page
# 03's shift: the logits are small.)

# %%
as_values, each_relu = np.frompyfunc(Value, 1, 1), np.frompyfunc(relu, 1, 1)
read_gradient = np.frompyfunc(lambda value: value.gradient, 1, 1)


def small_network(x, W1, b1, W2, b2):
    hidden = each_relu(x @ W1 + b1)
    logits = hidden @ W2 + b2
    z0, z1 = logits[0]
    return log(exp(z0) + exp(z1)) + Value(-1.0) * z1, hidden


numbers = {
    "x": np.array([[1.0, 2.0]]),
    "W1": np.array([[0.5, -1.0, 1.0], [0.25, 0.5, -1.0]]),
    "b1": np.array([0.1, 0.2, 0.0]),
    "W2": np.array([[1.0, -1.0], [0.5, 1.0], [2.0, -1.0]]),
    "b2": np.array([0.0, 0.1]),
}

# %%
values = {name: as_values(array) for name, array in numbers.items()}
loss, hidden = small_network(**values)
backward(loss)
print("loss   ", round(loss.value, 4))
print("dhidden", read_gradient(hidden).astype(float).round(4))

# %% [markdown]
# Page 05 had the loss 2.1269 and `dhidden` = [1.7616, -0.4404, 2.6424]. You did not write one line
# of the backward pass. Compare all gradients with the formulas of page 05, and with finite
# differences:


# %%
def by_hand(x, W1, b1, W2, b2, one_hot):
    z1 = x @ W1 + b1
    hidden = np.maximum(z1, 0)
    logits = hidden @ W2 + b2
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    dlogits = (powers / powers.sum(axis=1, keepdims=True) - one_hot) / len(x)
    dz1 = (dlogits @ W2.T) * (z1 > 0)
    return {
        "x": dz1 @ W1.T,
        "W1": x.T @ dz1,
        "b1": dz1.sum(axis=0),
        "W2": hidden.T @ dlogits,
        "b2": dlogits.sum(axis=0),
    }


# %%
def numeric_gradient(f, array, h=1e-5):
    """Return the central difference of f() for every number of an array that f uses."""
    gradient = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        original = array[place]
        array[place] = original + h
        above = f()
        array[place] = original - h
        below = f()
        array[place] = original
        gradient[place] = (above - below) / (2 * h)
    return gradient


def loss_of_numbers():
    return small_network(**{name: as_values(array) for name, array in numbers.items()})[0].value


# %%
hand, scalar_errors = by_hand(**numbers, one_hot=np.array([[0.0, 1.0]])), []
for name, array in numbers.items():
    ours = read_gradient(values[name]).astype(float)
    numeric = np.abs(ours - numeric_gradient(loss_of_numbers, array)).max()
    scalar_errors.append((np.abs(ours - hand[name]).max(), numeric))
    print(f"d{name:3} page 05 {scalar_errors[-1][0]:.0e}   finite differences {numeric:.0e}")

# %% [markdown]
# They agree with page 05 up to rounding. This is the whole graph of the small network, with its
# gradients. Colour alone is enough at this size: violet where the gradient is negative, orange
# where it is positive, and white where it is 0.

# %% tags=["hide-input"]
at = places(loss)
figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
for value, (column, height) in at.items():
    for operand, _ in value.edges:
        axes.plot(*zip(at[operand], (column, height), strict=True), color=QUIET, lw=0.5, zorder=1)
slopes = np.array([value.gradient for value in at])
options = {"cmap": "PuOr_r", "vmin": -2.5, "vmax": 2.5, "edgecolors": QUIET, "s": 110, "zorder": 2}
axes.scatter(*zip(*at.values(), strict=True), c=slopes, **options)
axes.set_title(f"{len(at)} values, the loss at the right", loc="left")
axes.set_axis_off()
plt.show()

# %% [markdown]
# The white points belong to the third hidden neuron, which is off: no slope passes through it.
#
# ## From numbers to arrays
#
# Each number is a Python object now, and every sum or product makes a new one. What does that cost?
# Take one MNIST image and the larger network of page 05: 784 inputs, 32 hidden neurons, 10 classes.

# %%
rng = np.random.default_rng(0)
(x_train, y_train), (x_test, y_test) = load_mnist()
W1, b1 = rng.normal(size=(784, 32)) * np.sqrt(2 / 784), np.zeros(32)
W2, b2 = rng.normal(size=(32, 10)) * np.sqrt(2 / 32), np.zeros(10)
x, one_hot = x_train[:1].astype(np.float64), np.eye(10)[y_train[:1]]

started = time.perf_counter()
logits = (each_relu(as_values(x) @ as_values(W1) + as_values(b1)) @ as_values(W2))[0]
backward(log(sum(map(exp, logits), start=Value(0.0))) + Value(-1.0) * logits[y_train[0]])
middle = time.perf_counter()
for _ in range(10):
    by_hand(x, W1, b1, W2, b2, one_hot)
ratio = 10 * (middle - started) / (time.perf_counter() - middle)
print(f"{len(before(logits[0])):,} values for one logit")
print("at least 100 times as slow as page 05:", ratio > 100)

# %% [markdown]
# The idea is right, but the pieces are too small. So let a whole *array* be one value of the graph,
# as in NumPy. Such an array with a memory is usually called a *tensor*.
#
# One thing changes. The slope of an edge can no longer be a number. Of `x @ W`, each output depends
# on many weights, so there are as many slopes as outputs times weights. But we never need them one
# by one: we need the sum of slopes times upstream gradients, and page 05 has it as one line. So an
# edge holds a *function* that turns the upstream gradient `dy` into the share of the operand.


# %%
class Tensor:
    """An array that remembers from which arrays it was computed."""

    def __init__(self, value, *edges):
        self.value = np.asarray(value, dtype=np.float64)
        self.edges = edges  # pairs (operand, function from dy to the operand's share)
        self.order = next(Value.made)
        self.gradient = None


def matmul(a, b):
    return Tensor(a.value @ b.value, (a, lambda dy: dy @ b.value.T), (b, lambda dy: a.value.T @ dy))


def multiply(a, b):
    return Tensor(a.value * b.value, (a, lambda dy: dy * b.value), (b, lambda dy: dy * a.value))


def add(a, b):
    return Tensor(a.value + b.value, (a, lambda dy: dy), (b, lambda dy: dy))


Tensor.__matmul__, Tensor.__mul__, Tensor.__add__ = matmul, multiply, add

# %% [markdown]
# These are the rules of pages 02 and 05. The walk stays the same, except that the edge's function
# replaces "times the slope". `before` needs no change: it only looks at edges and order.


# %%
def backward(root):
    """Compute the gradient of root, a single number, with respect to every tensor before it."""
    tensors = before(root)
    for tensor in tensors:
        tensor.gradient = np.zeros_like(tensor.value)
    root.gradient = np.ones_like(root.value)
    for tensor in tensors:
        for operand, share in tensor.edges:
            operand.gradient = operand.gradient + share(tensor.gradient)


# %% [markdown]
# ## The gradient of broadcasting
#
# **Predict, then run.** `x @ W` has the shape `(4, 2)`, and `b` has the shape `(2,)`. Which shape
# does the gradient of `b` get from the function `add` above?

# %% tags=["hide-output"]
x, W, b = Tensor(rng.normal(size=(4, 3))), Tensor(rng.normal(size=(3, 2))), Tensor([0.5, -1.0])
dy = rng.normal(size=(4, 2))  # some upstream gradient, as on page 07
z = x @ W + b
print("shape of the share of b:", z.edges[1][1](dy).shape)

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# `(4, 2)`, and not the shape of `b`.
#
# </details>
#
# NumPy repeated `b` for each of the four rows, so each number of `b` acts along four paths. Slopes
# of several paths are added: the share of `b` is the *sum* over the rows, the `db = dz.sum(axis=0)`
# of page 02. In general: **wherever the forward pass repeats a number, the backward pass adds.**
# `fit` adds up `dy` until it has the shape of the operand.


# %%
def fit(dy, shape):
    """Add up dy along every axis that broadcasting has added to `shape`, or stretched from 1."""
    dy = dy.sum(axis=tuple(range(dy.ndim - len(shape))))
    stretched = tuple(axis for axis, length in enumerate(shape) if length == 1)
    return dy.sum(axis=stretched, keepdims=True)


def add(a, b):
    to_a, to_b = a.value.shape, b.value.shape
    return Tensor(a.value + b.value, (a, lambda dy: fit(dy, to_a)), (b, lambda dy: fit(dy, to_b)))


def multiply(a, b):
    to_a, to_b = a.value.shape, b.value.shape
    return Tensor(
        a.value * b.value,
        (a, lambda dy: fit(dy * b.value, to_a)),
        (b, lambda dy: fit(dy * a.value, to_b)),
    )


Tensor.__mul__, Tensor.__add__ = multiply, add
z = x @ W + b
print("shape of the share of b:", z.edges[1][1](dy).shape)

# %% [markdown]
# The functions of one array are those from above, element by element. `add_up` sums each row over
# its columns (`axis=1`), or sums everything. A sum uses each number once, with the slope 1. So it
# passes the gradient of the sum to each of its terms, and NumPy's broadcasting does the repeating:
# wherever the forward pass adds, the backward pass repeats.


# %%
def relu(a):
    return Tensor(np.maximum(a.value, 0), (a, lambda dy: dy * (a.value > 0)))


def exp(a):
    powers = np.exp(a.value)
    return Tensor(powers, (a, lambda dy: dy * powers))


def log(a):
    return Tensor(np.log(a.value), (a, lambda dy: dy / a.value))


def add_up(a, axis=None):
    total = a.value.sum(axis=axis, keepdims=True)
    return Tensor(total, (a, lambda dy: dy * np.ones_like(a.value)))


# %% [markdown]
# That is the whole engine. Now the network and its loss, forward only. The largest logit of each
# row is subtracted, as on page 03. It is a constant here: shifting all logits of a row alike does
# not change the loss, so no gradient has to pass through the maximum.


# %%
def cross_entropy(logits, one_hot):
    shifted = logits + Tensor(-logits.value.max(axis=1, keepdims=True))
    logs = log(add_up(exp(shifted), axis=1))
    right = add_up(shifted * Tensor(one_hot), axis=1)
    return add_up(logs + Tensor(-1.0) * right) * Tensor(1 / len(one_hot))


def network_loss(x, W1, b1, W2, b2, one_hot):
    hidden = relu(x @ W1 + b1)
    return cross_entropy(hidden @ W2 + b2, one_hot)


def gradients_of(arrays, one_hot):
    tensors = {name: Tensor(array) for name, array in arrays.items()}
    loss = network_loss(**tensors, one_hot=one_hot)
    backward(loss)
    return loss, {name: tensor.gradient for name, tensor in tensors.items()}


loss, ours = gradients_of(numbers, np.array([[0.0, 1.0]]))
print("loss", round(loss.value.item(), 4))
print("dW2 ", ours["W2"].round(4).tolist())
print("dx  ", ours["x"].round(4))

# %% [markdown]
# The numbers of page 05 again. The graph is much smaller now: a whole array stands at one place.

# %%
tensors = {name: Tensor(array) for name, array in numbers.items()}
loss = network_loss(**tensors, one_hot=np.array([[0.0, 1.0]]))
backward(loss)
# An edge's function is called "matmul.<locals>.<lambda>", or the like.
names = {t: t.edges[0][1].__qualname__.split(".")[0] for t in before(loss) if t.edges}
names |= {tensor: name for name, tensor in tensors.items()} | {loss: "loss"}


def write(array):
    return "\n".join(" ".join(f"{number:.1f}" for number in row) for row in np.atleast_2d(array))


figure, axes = plt.subplots(figsize=(12, 4.6), layout="constrained")
draw(axes, loss, names, write, size=8.5, up=1.6)
plt.show()

# %% [markdown]
# Now with a batch, on random numbers, against page 05 and finite differences:

# %%
shapes = {"x": (6, 4), "W1": (4, 5), "b1": (5,), "W2": (5, 3), "b2": (3,)}
arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
one_hot = np.eye(3)[rng.integers(0, 3, size=6)]
_, ours = gradients_of(arrays, one_hot)
hand, array_errors = by_hand(**arrays, one_hot=one_hot), []
for name, array in arrays.items():
    numeric = numeric_gradient(lambda: gradients_of(arrays, one_hot)[0].value.item(), array)
    array_errors.append((np.abs(ours[name] - hand[name]).max(), np.abs(ours[name] - numeric).max()))
    print(
        f"d{name:3} page 05 {array_errors[-1][0]:.0e}   "
        f"finite differences {array_errors[-1][1]:.0e}"
    )

# %% [markdown]
# ## It trains
#
# Two networks with the same first weights: one takes its gradients from the graph, the other from
# the formulas by hand. Both see the same 600 batches of MNIST.

# %%
graph = {"W1": W1.copy(), "b1": b1.copy(), "W2": W2.copy(), "b2": b2.copy()}
plain = {name: array.copy() for name, array in graph.items()}
learning_rate, seconds = 0.2, np.zeros(2)
order = rng.permutation(len(x_train))
for start in range(0, len(order), 100):
    rows = order[start : start + 100]
    x, one_hot = x_train[rows].astype(np.float64), np.eye(10)[y_train[rows]]
    times = [time.perf_counter()]
    _, ours = gradients_of({"x": x, **graph}, one_hot)
    times.append(time.perf_counter())
    hand = by_hand(x, **plain, one_hot=one_hot)
    times.append(time.perf_counter())
    seconds += np.diff(times)
    for name in graph:
        graph[name] -= learning_rate * ours[name]
        plain[name] -= learning_rate * hand[name]

# %%
gap = max(np.abs(graph[name] - plain[name]).max() for name in graph)
hidden = np.maximum(x_test @ graph["W1"] + graph["b1"], 0)
accuracy = ((hidden @ graph["W2"] + graph["b2"]).argmax(axis=1) == y_test).mean()
print(f"largest difference of the weights {gap:.0e}, test accuracy {accuracy:.2%}")

# %% [markdown]
# The weights differ by rounding alone, after 600 steps. So the two networks are the same.
#
# ## What it costs
#
# Why does the package not do it this way? Look at three things: time, memory, and numbers.

# %%
tensors = {name: Tensor(array) for name, array in graph.items()}
all_tensors = before(network_loss(Tensor(x), **tensors, one_hot=one_hot))
inputs = [x, *graph.values()]
kept = sum(t.value.nbytes for t in all_tensors) - sum(array.nbytes for array in inputs)
cache = 2 * len(x) * 32 * 8 + len(x) * 10 * 8  # z1, hidden and logits, 8 bytes a number
print(f"time of a gradient: graph / by hand = {seconds[0] / seconds[1]:.1f}")
print(f"kept for the backward pass: {kept:,} bytes by the graph, {cache:,} by page 05")

# %% [markdown]
# *Time.* The ratio depends on your machine. Two causes are certain. The graph also computes the
# gradient of the images, which nobody needs: it is a large product. And softmax with cross-entropy
# takes ten operations forward and ten backward, where page 05 has "the probabilities minus the
# one-hot target".
#
# *Memory.* The graph keeps the result of every operation until the backward pass is over.
#
# *Numbers.* Automatic differentiation differentiates your *code*, not your formula. **Predict, then
# run.** Write the loss as $-\ln(\text{softmax})$, without the shift, and let the logits be 800 and
# 0. What is the gradient?

# %% tags=["hide-output"]
logits, one_hot = Tensor([[800.0, 0.0]]), np.array([[0.0, 1.0]])
with np.errstate(all="ignore"):
    total = log(add_up(exp(logits), axis=1))
    naive = add_up(total + Tensor(-1.0) * add_up(logits * Tensor(one_hot), axis=1))
    backward(naive)
print("without the shift:", naive.value, logits.gradient)
backward(cross_entropy(logits, one_hot))
print("with the shift:   ", logits.gradient)

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# $e^{800}$ is too large for a float: it becomes infinity. The slope of the logarithm is then 1
# divided by infinity, which is 0, and the slope of `exp` is infinity. Their product is NaN. The
# graph did nothing wrong: it differentiated what was written. With the shift of page 03 it finds 1
# and -1, the probabilities minus the one-hot target.
#
# </details>
#
# So the package writes each `backward` by hand, for these reasons:
#
# - You can *read* it. The rule with its shapes stands beside the forward pass. In a graph, nobody
#   ever sees the gradient of a layer as a formula.
# - It keeps only what is needed, and leaves out the gradient of the images.
# - The formula by hand is shorter and safer where operations cancel, as in softmax with
#   cross-entropy.
# - A multi-layer perceptron needs about a dozen kinds of layers, and finite differences check each
#   of them.
#
# For new layers every week, the balance is different: there, automatic differentiation saves weeks
# of algebra and many mistakes. It does not replace the check. The rule of each *operation* is still
# written by hand, and a forgotten `fit` is as wrong as a forgotten sum.
#
# ## Checks

# %%
assert a.gradient == -2.0
assert start_gradient == 2**16
assert max(max(errors) for errors in scalar_errors + array_errors) < 1e-7
assert max(error for error, _ in scalar_errors + array_errors) < 1e-14
assert gap < 1e-9
assert accuracy > 0.9
assert np.isnan(naive.value).any() or np.isinf(naive.value).any()
assert np.allclose(logits.gradient, [[1.0, -1.0]])
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. Every operation remembers its operands, and how fast its result grows with each of them.
# 2. Go from the newest value to the oldest. Each passes its gradient on once, when it is complete.
# 3. Slopes multiply along a path, and paths add up. So add to a gradient; never overwrite it.
# 4. For arrays an edge holds a function. Where the forward pass repeats, the backward pass adds.
# 5. It differentiates the code that you wrote, overflow included, and it keeps every result.
#
# ## Exercises
#
# Fill in [exercises/12_automatic_differentiation.py](exercises/12_automatic_differentiation.py).
# Then run `.venv/bin/pytest tutorials/exercises -k 12` from the root of the repository: it tells
# you what is still wrong.
#
# ## Read next
#
# - In the package: the losses in [losses.py](../numpymlp/losses.py), whose gradients are short
#   because several operations were simplified together.
# - In the course: [13 Convolution](13_convolution.ipynb), a layer for images, with its backward
#   pass by hand.
