# %% [markdown]
# # 05 Backpropagation: every gradient of a network in one backward pass
#
# ## What you will build
#
# The gradients of a network with two layers, variable by variable, with numbers that you can follow
# on paper. You compare each step with finite differences before you take the next one. At the end
# the same lines train a network with more than 95 % test accuracy.
#
# ## What you need
#
# [Page 02](02_a_layer.ipynb): a layer, `dW = x.T @ dz`, `db = dz.sum(axis=0)`.
# [Page 03](03_softmax.ipynb): softmax, cross-entropy and its gradient, the probabilities minus the
# one-hot target, divided by $N$. [Page 04](04_a_hidden_layer.ipynb): a hidden layer with ReLU. The
# chain rule.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | `(N, in)` | inputs |
# | $W_1, b_1$ | `W1`, `b1` | `(in, H)`, `(H,)` | first layer: $H$ hidden neurons |
# | $z_1 = x W_1 + b_1$ | `z1` | `(N, H)` | its output |
# | $u = \max(z_1, 0)$ | `hidden` | `(N, H)` | input of the second layer |
# | $W_2, b_2$ | `W2`, `b2` | `(H, K)`, `(K,)` | second layer: $K$ classes |
# | $z = u W_2 + b_2$ | `logits` | `(N, K)` | its output |
# | $c$ | `y` | `(N,)` | the targets: the correct classes |
# | $p$ | `softmax(logits)` | `(N, K)` | probabilities |
# | $L$ | `cross_entropy(...)` | | the loss |
#
# The gradient of the loss with respect to a variable has a `d` in front of its name and the same
# shape: `dhidden` is $\partial L / \partial u$.

# %%
import matplotlib.pyplot as plt
import numpy as np
from drawing import FIRST, SECOND, you_are_here

from numpymlp import load_mnist
from numpymlp.plots.style import TRAIN, WRONG

# %matplotlib inline

# %% tags=["hide-input"]
you_are_here("every number of the drawing")

# %% [markdown]
# ## How does a network find its weights?
#
# Page 04 chose the weights of a network by hand, for four points in the plane. For images with 784
# pixels, nobody can. The network must learn: it needs the gradient of the loss with respect to
# every weight, also for the weights of the *first* layer, which act on the loss only through ReLU
# and the second layer.
#
# ## The forward pass
#
# One sample, two inputs, three hidden neurons, two classes. All numbers are short, so that you can
# follow them with pencil and paper. It is the network of the drawing. Compute at least one logit by
# hand.

# %%
x = np.array([[1.0, 2.0]])
W1 = np.array([[0.5, -1.0, 1.0], [0.25, 0.5, -1.0]])
b1 = np.array([0.1, 0.2, 0.0])
W2 = np.array([[1.0, -1.0], [0.5, 1.0], [2.0, -1.0]])
b2 = np.array([0.0, 0.1])
y = np.array([1])

z1 = x @ W1 + b1
hidden = np.maximum(z1, 0)
logits = hidden @ W2 + b2
print("z1    ", z1.round(4))
print("hidden", hidden.round(4))
print("logits", logits.round(4))

# %% [markdown]
# The third hidden neuron has $z_1 = -1$, and ReLU makes it 0. The first logit is larger, so the
# network predicts class 0. The correct class is 1. The loss and its gradient are those of page 03.


# %%
def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cross_entropy(logits, y):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_probabilities[np.arange(len(y)), y].mean()


print("probabilities", softmax(logits).round(4), " loss", cross_entropy(logits, y).round(4))

# %% [markdown]
# ## The loss as a function of each variable
#
# To check each step of the backward pass, we need the loss as a function of each variable *in the
# middle*: what would the loss be if only `hidden` were a little different? Each of these functions
# does one step of the forward pass and calls the next function.


# %%
def loss_of_logits(logits):
    return cross_entropy(logits, y)


def loss_of_hidden(hidden):
    return loss_of_logits(hidden @ W2 + b2)


def loss_of_z1(z1):
    return loss_of_hidden(np.maximum(z1, 0))


def loss_of_x(x):
    return loss_of_z1(x @ W1 + b1)


# %% [markdown]
# And here are the finite differences of page 02, with a function `compare` that prints the largest
# error and stores it.


# %% tags=["hide-input"]
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


# %%
errors = {}


def compare(name, gradient, f, array):
    errors[name, array.shape] = error = np.abs(gradient - numeric_gradient(f, array)).max()
    print(f"{name:8}{gradient.shape!s:8} error {error:.1e}{'' if error < 1e-7 else '   WRONG'}")


# %% [markdown]
# `numeric_gradient` changes the numbers of `array` in place, one at a time, and calls `f()`. The
# function `f` reads the same array, so it sees each change. This also works for `W2`, which is not
# an argument: `loss_of_hidden` reads the global variable `W2`.
#
# ## The backward pass, step 1: the logits
#
# We start at the end and go back, step by step. At each variable we ask one question: **if this
# number grows a little, how fast does the loss grow?** For the logits, page 03 has the answer: the
# probabilities minus the one-hot target, divided by $N$, which is 1 here.

# %%
one_hot = np.array([[0.0, 1.0]])
dlogits = (softmax(logits) - one_hot) / len(x)
print("dlogits", dlogits.round(4))
compare("dlogits", dlogits, lambda: loss_of_logits(logits), logits)

# %% [markdown]
# The gradient of the first logit is positive, so this logit should shrink. The second should grow.
#
# ## Step 2: the parameters of the second layer
#
# `hidden` is the input of this layer, and `dlogits` is the gradient at its output, which page 02
# called `dz`. So the rules of page 02 apply.

# %%
dW2 = hidden.T @ dlogits
db2 = dlogits.sum(axis=0)
print("dW2", dW2.round(4).tolist())
compare("dW2", dW2, lambda: loss_of_hidden(hidden), W2)
compare("db2", db2, lambda: loss_of_hidden(hidden), b2)

# %% [markdown]
# Look at the last row of `dW2`: it is 0. These weights multiply the output of the third hidden
# neuron. This output is 0, so the weights do not change the loss.
#
# ## Step 3: through the layer, to `hidden`
#
# This step is new, and it gives backpropagation its name. There is no direct formula for the loss
# in terms of $u$, the hidden output. But we know how the loss depends on the logits, and how the
# logits depend on $u$. Take one number, $u_i$. If it grows by a little, *every* logit $j$ changes,
# by $W_{2,ij}$ times as much. Each logit changes the loss, with the slope
# $\partial L / \partial z_j$, which is number $j$ in the row `dlogits`. The effects add up:
#
# $$\frac{\partial L}{\partial u_i} = \sum_j \frac{\partial L}{\partial z_j}\, W_{2,ij}$$
#
# This is the chain rule for many variables: if a number acts along several paths, the slopes of the
# paths are *added*. You need no other part of it. The sum over $j$ is a matrix product with the
# transpose of $W_2$:
#
# $$\frac{\partial L}{\partial u} = \frac{\partial L}{\partial z}\, W_2^T
# \qquad (N, K) \;@\; (K, H) \to (N, H)$$

# %%
dhidden = dlogits @ W2.T
print("dhidden", dhidden.round(4))
compare("dhidden", dhidden, lambda: loss_of_hidden(hidden), hidden)

# %% [markdown]
# In words: the forward pass multiplies by the weights, from input to output. The backward pass
# multiplies by the *same weights*, from output to input.
#
# ## Step 4: through ReLU, to `z1`
#
# ReLU does not change positive numbers. A first try: pass the gradient on unchanged.

# %%
dz1_wrong = dhidden
compare("dz1", dz1_wrong, lambda: loss_of_z1(z1), z1)

# %% [markdown]
# Wrong, and the finite difference shows it at once. The third neuron has $z_1 = -1$. If it grows a
# little, to -0.999, ReLU still gives 0, and the loss does not change. So its gradient is 0,
# whatever `dhidden` is. (The drawing calls this a closed gate: the box of this ReLU is dashed.) The
# gradient passes only where `z1` is positive:
#
# $$\frac{\partial L}{\partial z_1} = \frac{\partial L}{\partial u} \cdot [\,z_1 > 0\,]$$
#
# The bracket is 1 where the condition holds, and 0 elsewhere. The dot multiplies element by
# element.

# %%
dz1 = dhidden * (z1 > 0)
print("dz1", dz1.round(4))
compare("dz1", dz1, lambda: loss_of_z1(z1), z1)

# %% [markdown]
# (Exactly at 0 the curve has a kink and no derivative. We take 0 there.)
#
# ## Step 5: the first layer
#
# **Predict, then run.** The steps repeat: `dW1` and `db1` as in step 2, and `dx` as in step 3.
# Before you run the cell: which numbers of `dW1`, of shape `(2, 3)`, will be 0?

# %% tags=["hide-output"]
dW1 = x.T @ dz1
db1 = dz1.sum(axis=0)
dx = dz1 @ W1.T
print("dW1", dW1.round(4).tolist())
compare("dW1", dW1, lambda: loss_of_x(x), W1)
compare("db1", db1, lambda: loss_of_x(x), b1)
compare("dx", dx, lambda: loss_of_x(x), x)

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# The last column of `dW1` is 0: it holds the gradients of the third neuron's weights. This neuron
# was off for this sample, so the sample cannot change these weights.
#
# </details>
#
# That is all: the gradient of the loss from page 03, and three rules, for the parameters of a
# layer, for its input, and for ReLU. Here are both passes in one picture.


# %% tags=["hide-input"]
def rows_of(array):
    return "\n".join("  ".join(f"{number:.2f}" for number in row) for row in np.atleast_2d(array))


def write(axes, place, height, text, colour, size=12):
    box = {"facecolor": "white", "edgecolor": colour, "boxstyle": "round"}
    axes.text(place, height, text, ha="center", va="center", fontsize=size, bbox=box)


values = [x.T, z1.T, hidden.T, logits.T, cross_entropy(logits, y)]
slopes = [dx.T, dz1.T, dhidden.T, dlogits.T, 1.0]

# %% tags=["main", "hide-input"]
figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
for place, name in enumerate(["x", "z1", "hidden", "logits", "loss"]):
    axes.text(place, 1.95, name, ha="center", fontsize=13, fontweight="bold")
    write(axes, place, 1.3, rows_of(values[place]), TRAIN)
    write(axes, place, 0, rows_of(slopes[place]), WRONG)
for place, step in enumerate(["@ W1 + b1", "max(z1, 0)", "@ W2 + b2", "softmax, -ln"]):
    axes.text(place + 0.5, 1.42, step, ha="center", fontsize=9, color=TRAIN)
    axes.annotate("", (place + 0.7, 1.3), (place + 0.3, 1.3), arrowprops={"arrowstyle": "->"})
for place, rule in enumerate(["@ W1.T", "where z1 > 0", "@ W2.T", "p - one-hot"]):
    axes.text(place + 0.5, 0.12, rule, ha="center", fontsize=9, color=WRONG)
    axes.annotate("", (place + 0.3, 0), (place + 0.7, 0), arrowprops={"arrowstyle": "->"})
for place, rule, dW, db in ((0.5, "x.T @ dz1", dW1, db1), (2.5, "hidden.T @ dlogits", dW2, db2)):
    axes.annotate("", (place, -0.75), (place, -0.42), arrowprops={"arrowstyle": "->"})
    write(axes, place, -1.25, f"dW = {rule}\n{rows_of(dW)}\ndb\n{rows_of(db)}", WRONG, 9)
axes.set(xlim=(-0.4, 4.4), ylim=(-1.85, 2.2))
axes.set_axis_off()
plt.show()

# %% [markdown]
# The upper row, from left to right, is the forward pass: the values of the variables. The lower
# row, from right to left, is the backward pass: how fast the loss grows with each of these numbers.
# It starts with 1, the derivative of the loss with respect to itself. At each arrow, the chain rule
# multiplies the gradient by the derivative of the step above. Where the way back passes a layer,
# the gradient that arrives there also gives `dW` and `db`, the lowest row: the ones that learning
# needs.
#
# ## Why backwards?
#
# Finite differences run the network twice for each parameter. Backpropagation runs one forward pass
# and one backward pass for all parameters together. A backward pass takes about two matrix products
# where the forward pass takes one.

# %%
parameters = 784 * 128 + 128 + 128 * 10 + 10
print(f"784 inputs, 128 hidden, 10 classes: {parameters:,} parameters")
print(f"finite differences: {2 * parameters:,} runs; backpropagation: about the cost of 3 runs")

# %% [markdown]
# So use backpropagation for learning and finite differences for checking.
#
# ## A batch
#
# The rules hold for any $N$. Here they are as two functions. `forward` also returns a *cache*: the
# values that `backward` will need. These are the inputs of both layers, and `z1`, which tells which
# neurons were on.


# %%
def forward(x, W1, b1, W2, b2):
    z1 = x @ W1 + b1
    hidden = np.maximum(z1, 0)
    logits = hidden @ W2 + b2
    return logits, (x, z1, hidden)


def backward(logits, y, cache, W2):
    x, z1, hidden = cache
    dlogits = softmax(logits)
    dlogits[np.arange(len(y)), y] -= 1  # probabilities - one_hot
    dlogits /= len(y)
    dW2, db2 = hidden.T @ dlogits, dlogits.sum(axis=0)
    dz1 = (dlogits @ W2.T) * (z1 > 0)
    dW1, db1 = x.T @ dz1, dz1.sum(axis=0)
    return dW1, db1, dW2, db2


# %%
rng = np.random.default_rng(0)
x, y = rng.normal(size=(6, 4)), rng.integers(0, 3, size=6)
arrays = [rng.normal(size=shape) for shape in ((4, 5), (5,), (5, 3), (3,))]
logits, cache = forward(x, *arrays)
gradients = backward(logits, y, cache, W2=arrays[2])
names = ["dW1", "db1", "dW2", "db2"]
for name, gradient, array in zip(names, gradients, arrays, strict=True):
    compare(name, gradient, lambda: cross_entropy(forward(x, *arrays)[0], y), array)

# %% [markdown]
# ## The first weights
#
# Page 03 started with all weights at 0. **Predict, then run.** What are the four gradients of a
# network with two layers if all its parameters are 0?

# %% tags=["hide-output"]
zeros = [np.zeros_like(array) for array in arrays]
logits, cache = forward(x, *zeros)
gradients = backward(logits, y, cache, W2=zeros[2])
for name, gradient in zip(names, gradients, strict=True):
    print(f"{name}: largest number {np.abs(gradient).max():.3f}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Only the last bias would ever learn. `hidden` is 0, so `dW2` is 0. `W2` is 0, so no gradient
# reaches the first layer. (The single layer of page 03 could start at 0: its input is the image,
# which is not 0, so its `dW` is not 0 either.)
#
# </details>
#
# Weights that are all equal to 1 would not help either: every hidden neuron would compute the same
# output, get the same gradient, and stay a copy of the others. So the first weights are **random
# and small**.
#
# How small? The typical size of random numbers around 0 is their *standard deviation*, the root of
# the mean of their squares. An output is a sum of `in` terms with random signs. The terms cancel in
# part, so the sum is not `in` times as large as a term, but only about $\sqrt{\text{in}}$ times.
# ReLU then sets half of the outputs to 0, which halves the mean square. To keep the size the same
# from layer to layer, the weights must correct both effects. They need the standard deviation
# $\sqrt{2 / \text{in}}$. Test it with four layers of 500 neurons:

# %%
for name, scale in (("1", 1.0), ("sqrt(2 / in)", np.sqrt(2 / 500))):
    draws = np.random.default_rng(1)
    values, sizes = draws.normal(size=(100, 500)), []
    for _ in range(4):
        values = np.maximum(values @ (scale * draws.normal(size=(500, 500))), 0)
        sizes.append(np.sqrt((values**2).mean()))
    print(f"standard deviation {name:12}  sizes", *(f"{size:10.2f}" for size in sizes))

# %% [markdown]
# With a standard deviation of 1, every layer makes the numbers 16 times as large. With
# $\sqrt{2 / \text{in}}$ they keep their size. This choice is called *He initialization*, after the
# first author of the paper that introduced it.
#
# ## Train on MNIST
#
# 784 inputs, 32 hidden neurons, 10 classes; mini-batches of 100, as on page 03.

# %%
(x_train, y_train), (x_test, y_test) = load_mnist()
arrays = [rng.normal(size=(784, 32)) * np.sqrt(2 / 784), np.zeros(32)]
arrays += [rng.normal(size=(32, 10)) * np.sqrt(2 / 32), np.zeros(10)]
learning_rate = 0.2
first_loss = cross_entropy(forward(x_train[:1000], *arrays)[0], y_train[:1000])
print(f"first loss {first_loss:.2f}; ln 10 = {np.log(10):.2f}")
for epoch in range(3):
    order = rng.permutation(len(x_train))
    for start in range(0, len(order), 100):
        rows = order[start : start + 100]
        logits, cache = forward(x_train[rows], *arrays)
        gradients = backward(logits, y_train[rows], cache, W2=arrays[2])
        for array, gradient in zip(arrays, gradients, strict=True):
            array -= learning_rate * gradient
    accuracy = (forward(x_test, *arrays)[0].argmax(axis=1) == y_test).mean()
    print(f"epoch {epoch}: test accuracy {accuracy:.2%}")

# %% [markdown]
# More than 95 %, against 92 % with a single layer. These are the same lines that you followed with
# a pencil. The first loss is not exactly ln 10, because random weights already prefer some classes.
# It only has to be near.
#
# ## Checks

# %%
assert all(map(np.array_equal, (W1, b1, W2, b2), FIRST + SECOND))  # the numbers of the drawing
assert np.allclose(dhidden, [[1.7616, -0.4404, 2.6424]], atol=1e-4)
assert len(errors) == 12
assert max(errors.values()) < 1e-7
assert all(g.shape == a.shape for g, a in zip(gradients, arrays, strict=True))
assert abs(first_loss - np.log(10)) < 0.5
assert accuracy > 0.95
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. Go back from the loss and ask at each variable: if it grows, how fast does the loss grow?
# 2. The parameters of a layer: `dW = x.T @ dz`, `db = dz.sum(axis=0)`.
# 3. The input of a layer: `dx = dz @ W.T`, because the slopes of several paths are added.
# 4. ReLU: the gradient passes where the input was positive, and is 0 elsewhere.
# 5. One backward pass gives all gradients. The first weights are random, or all neurons of a layer
#    stay copies of each other.
#
# ## Exercises
#
# Fill in [exercises/05_backpropagation.py](exercises/05_backpropagation.py). Then run
# `.venv/bin/pytest tutorials/exercises -k 05` from the root of the repository: it tells you what is
# still wrong.
#
# ## Read next
#
# - In the package: `Dense` and `ReLU` in [layers.py](../numpymlp/layers.py). A comment above each
#   line of a `backward` gives the rule from this page.
# - In the course: [06 Layers as classes](06_layers_as_classes.ipynb), where these lines become
#   layers that you can combine freely.
