# %% [markdown]
# # 02 A layer: many neurons and a whole batch in one line
#
# ## What you will build
#
# A layer of neurons, `z = x @ W + b`, and its gradients, all without a loop. The line is short
# because the shapes do the work. You will also meet a bug that has cost beginners many hours: two
# shapes that do not belong together, and no error.
#
# ## What you need
#
# [Page 01](01_one_neuron.ipynb): a neuron, its loss, `dw = dz * x`, and finite differences. From
# school or elsewhere: how to multiply two matrices, row times column.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $N$ | `len(x)` | | number of samples in the batch |
# | $x$ | `x` | `(N, in)` | inputs, one sample in each row |
# | $W$ | `W` | `(in, out)` | weights, one neuron in each column |
# | $b$ | `b` | `(out,)` | biases, one for each neuron |
# | $z$ | `z` | `(N, out)` | outputs, one sample in each row, one neuron in each column |
# | $y$ | `y` | `(N, out)` | targets |
# | $L$ | `mean_loss(z, y)` | | the loss of the batch |
# | $\partial L/\partial z$ | `dz` | `(N, out)` | gradient of the loss with respect to `z` |
# | $\partial L/\partial W$ | `dW` | `(in, out)` | with respect to `W` |
# | $\partial L/\partial b$ | `db` | `(out,)` | with respect to `b` |
#
# `in` and `out` are the numbers of inputs and of neurons. A gradient has the same shape as its
# variable. A *batch* is a set of samples that go through the layer together.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
from drawing import draw, you_are_here

from numpymlp.plots.style import TRAIN, WRONG, tidy

# %matplotlib inline

# %% tags=["hide-input"]
you_are_here("a layer", 1)

# %% [markdown]
# ## Many inputs
#
# The neuron of page 01 had one input. A neuron with many inputs has a weight $w_i$ for each input
# $x_i$, and adds up the products:
#
# $$z = \sum_i x_i w_i + b$$
#
# `@` computes this sum of products of two rows of numbers.

# %%
x_one = np.array([1.0, 2.0, 3.0])
w = np.array([0.5, -1.0, 2.0])
print(x_one[0] * w[0] + x_one[1] * w[1] + x_one[2] * w[2] + 0.25)
print(x_one @ w + 0.25)

# %% [markdown]
# ## Many neurons
#
# A layer is several neurons that all get the same inputs. Write the weights of each neuron as a
# *column*, and put the columns side by side. This is the matrix `W`. Here are two neurons with
# three inputs.

# %%
W = np.array([[0.5, 1.0], [-1.0, 0.0], [2.0, 1.0]])
b = np.array([0.25, -1.0])
print("W", W.shape, " b", b.shape)
print(x_one @ W + b)

# %% [markdown]
# The first number is the output of the neuron above. The second is
# $1 \cdot 1 + 2 \cdot 0 + 3 \cdot 1 - 1 = 3$. Here is this layer. Each line is one number of `W`:

# %% tags=["hide-input"]
draw([(W, b)], [x_one], [[5.0, 2.0]], "A layer of two neurons; the targets are 5 and 2")

# %% [markdown]
# (The orange numbers are the gradients that this page derives further down.)
#
# ## Many samples
#
# Rows are samples. Put four samples under each other, and the same line still works. **Predict,
# then run.** `x` is `(4, 3)`, `W` is `(3, 2)`. What is the shape of `z`, and what are the numbers
# in its row 2? (Rows count from 0.)

# %% tags=["hide-output"]
x = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
z = x @ W + b
print("z", z.shape)
print(z)

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# `(4, 3) @ (3, 2)` gives `(4, 2)`: the two inner lengths must be equal, and the outer lengths
# remain. Row 2 of `z` holds the outputs of the two neurons for sample 2, `[1, 0, 0]`: the first
# weight of each neuron, plus its bias.
#
# </details>
#
# Remember this picture. Each number of `z` is one row of `x` times one column of `W`: one sample
# and one neuron.


# %% tags=["main", "hide-input"]
def draw(axes, left, lit, name):
    """Draw an array as boxes, in colour where `lit` is 1, with its middle at height 0."""
    rows, columns = lit.shape
    for i, j in np.ndindex(rows, columns):
        box, colour = (left + j, rows / 2 - 1 - i), TRAIN if lit[i, j] else "white"
        axes.add_patch(plt.Rectangle(box, 1, 1, facecolor=colour, edgecolor="0.5"))
    axes.text(left + columns / 2, -2.8, name, ha="center", va="center", fontsize=13)


sample, neuron = np.array([[0], [0], [1], [0]]), np.array([[0, 1]])
figure, axes = plt.subplots(figsize=(7.5, 3), layout="constrained")
draw(axes, 0, sample * [1, 1, 1], "x  (N, in)")
draw(axes, 5, neuron * [[1], [1], [1]], "W  (in, out)")
draw(axes, 9, neuron, "b  (out,)")
draw(axes, 13, sample * neuron, "z  (N, out)")
for place, sign in ((4, "@"), (8, "+"), (12, "=")):
    axes.text(place, 0, sign, ha="center", va="center", fontsize=20)
axes.set(xlim=(-0.7, 15.7), ylim=(-3.3, 2.2), aspect="equal")
axes.set_axis_off()
plt.show()

# %% [markdown]
# Why not loops? A Python loop handles one number at a time, while `@` passes the whole product to a
# library that experts have tuned for decades. Here is a layer for MNIST, with 784 inputs and 10
# neurons, and a batch of 100 samples.

# %%
rng = np.random.default_rng(0)
pixels, weights = rng.random((100, 784)), rng.normal(size=(784, 10))
product = pixels @ weights  # the first call also loads the library; it is not timed
start = time.perf_counter()
looped = np.zeros((100, 10))
for n in range(100):
    for j in range(10):
        for i in range(784):
            looped[n, j] += pixels[n, i] * weights[i, j]
middle = time.perf_counter()
product = pixels @ weights
ratio = (middle - start) / (time.perf_counter() - middle)
print("same numbers:", np.allclose(looped, product))
print(f"the loops take more than {10 ** int(np.log10(ratio)):,} times as long")

# %% [markdown]
# The numbers agree. How much time `@` saves depends on your machine; the second line says it. So
# after this cell, no loop of this course runs over the samples of a batch or over neurons.
#
# ## What `+ b` does
#
# `x @ W` is `(4, 2)` and `b` is `(2,)`. These shapes are not equal, and yet NumPy adds them: it
# repeats `b` for every row. This is called *broadcasting*, and it follows one rule:
#
# **Write the two shapes under each other, aligned at the right. Lengths above each other must be
# equal, or one of them must be 1 or missing. NumPy repeats that one.**
#
# ```
# x @ W   (4, 2)
# b          (2,)     missing in front: repeated 4 times
# z       (4, 2)
# ```
#
# A layer needs exactly this. It is also a trap.
#
# ## The trap
#
# Take the task of page 01 again, now as a batch: five temperatures, `x` of shape `(5, 1)`, and one
# neuron. The targets are a plain array of five numbers, of shape `(5,)`.

# %%
celsius = np.array([-20.0, 0.0, 20.0, 50.0, 100.0])
x = celsius[:, None] / 100
y_flat = (1.8 * celsius + 32) / 100
W, b = np.ones((1, 1)), np.zeros(1)
z = x @ W + b
print("x", x.shape, "  z", z.shape, "  y_flat", y_flat.shape)

# %% [markdown]
# (`[:, None]` makes a column of an array: shape `(5,)` becomes `(5, 1)`.)
#
# **Predict, then run.** What is the shape of `z - y_flat`? Use the rule.

# %% tags=["hide-output"]
print((z - y_flat).shape)
print((z - y_flat).round(2))

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# ```
# z            (5, 1)     1: repeated 5 times
# y_flat          (5,)    missing in front: repeated 5 times
# z - y_flat   (5, 5)
# ```
#
# NumPy computes 25 differences instead of five: every output minus every target.
#
# </details>
#
# Only those on the diagonal are the differences that you want. There is no error and no warning,
# and the mean of the squares is a number that looks like a loss. It even falls during training.
# Look what the neuron learns from it.


# %%
def train(x, y, steps=200, learning_rate=1.0):
    W, b = np.ones((1, 1)), np.zeros(1)
    for _ in range(steps):
        difference = x @ W + b - y
        # page 01's mean over the samples, of dz * x and of dz
        W -= learning_rate * (difference * x).mean()
        b -= learning_rate * difference.mean()
    return W, b, (difference**2).mean() / 2


W_trap, b_trap, loss_trap = train(x, y_flat)
print(f"W {W_trap[0, 0]:.4f}, b {b_trap[0]:.4f}, loss {loss_trap:.4f}")

# %% [markdown]
# The weight is 0. The neuron ignores the temperature: its output is always 0.86, the mean of the
# targets. No other neuron has a smaller loss if every output is compared with every target. The
# training looked normal, and the model is useless. Now use targets of the correct shape.

# %%
y = y_flat[:, None]
W, b, loss_right = train(x, y)
print("y", y.shape, "  z - y", (x @ W + b - y).shape)
print(f"W {W[0, 0]:.4f}, b {b[0]:.4f}, loss {loss_right:.1e}")

# %% tags=["hide-input"]
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
axes.plot(x, y, "o", color="black", label="samples")
axes.plot(x, x @ W + b, color=TRAIN, label="y of shape (5, 1)")
axes.plot(x, x @ W_trap + b_trap, "--", color=WRONG, label="y of shape (5,)")
tidy(axes, "The same training on the same numbers, in two shapes", "input x", "output z", grid="y")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# Do not rely on being careful. Add one line to the loss, and the mistake becomes an error.


# %%
def mean_loss(z, y):
    assert z.shape == y.shape, f"expected equal shapes, got outputs {z.shape}, targets {y.shape}"
    return ((z - y) ** 2).sum(axis=1).mean() / 2


try:
    mean_loss(x @ W + b, y_flat)
except AssertionError as error:
    print("refused:", error)

# %% [markdown]
# With several outputs, the loss of a sample is the sum over its outputs, `sum(axis=1)`. The loss of
# the batch is the mean over its samples, `mean()`.

# %% [markdown]
# ## The gradients of a layer
#
# Page 01 had `dw = dz * x` for one sample and one weight. Now take the weight `W[i, j]`, from input
# $i$ to neuron $j$. In each sample $n$ it multiplies `x[n, i]`, and it changes only the output
# `z[n, j]`. So sample $n$ adds `x[n, i] * dz[n, j]` to the gradient of this weight. All samples
# together give
#
# $$\frac{\partial L}{\partial W_{ij}} = \sum_n x_{ni}\, \frac{\partial L}{\partial z_{nj}}$$
#
# A sum of products over $n$ is again a matrix product. For this product the rows of `x` must become
# columns. `x.T`, the transpose, does that:
#
# $$\frac{\partial L}{\partial W} = x^T \frac{\partial L}{\partial z}
# \qquad (in, N) \;@\; (N, out) \to (in, out)$$
#
# Every sample adds the bias of neuron $j$ once, so the gradient of the bias is the sum of `dz` over
# the samples.
#
# Where is the mean over the batch? It is in `dz`. The loss is
# $L = \frac{1}{N}\sum_n \frac{1}{2}\sum_j (z_{nj} - y_{nj})^2$, so
# $\partial L/\partial z_{nj} = (z_{nj} - y_{nj}) / N$. This contains the $1/N$ already. Dividing
# again is a common mistake with batches: it makes the gradient $N$ times too small.


# %%
def layer_gradients(x, dz):
    # dL/dW = x^T dL/dz    (in, N) @ (N, out) -> (in, out)
    dW = x.T @ dz
    # dL/db = sum over the batch of dL/dz    (N, out) -> (out,)
    db = dz.sum(axis=0)
    return dW, db


# %% [markdown]
# ## Compare with finite differences
#
# `W` holds several numbers. Move each of them by $h$ to both sides, compute the loss each time, and
# restore the number. `np.ndindex` runs through all positions of an array.


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


# %%
x = rng.normal(size=(4, 3))
W, b = rng.normal(size=(3, 2)), rng.normal(size=2)
y = rng.normal(size=(4, 2))
dz = (x @ W + b - y) / len(x)
dW, db = layer_gradients(x, dz)
error_W = np.abs(dW - numeric_gradient(lambda: mean_loss(x @ W + b, y), W)).max()
error_b = np.abs(db - numeric_gradient(lambda: mean_loss(x @ W + b, y), b)).max()
print("dW", dW.shape, f"error {error_W:.1e}    db", db.shape, f"error {error_b:.1e}")

# %% [markdown]
# Correct to ten digits. Now check that the comparison can fail: divide by $N$ once more.

# %%
wrong = layer_gradients(x, dz / len(x))[0]
print(f"error {np.abs(wrong - numeric_gradient(lambda: mean_loss(x @ W + b, y), W)).max():.1e}")

# %% [markdown]
# ## A layer that learns
#
# Put everything together: one input, two neurons. The first neuron learns degrees Fahrenheit. The
# second learns kelvin, which is Celsius plus 273.15. Both learn from the same five temperatures.

# %%
x = celsius[:, None] / 100
y = np.stack([1.8 * celsius + 32, celsius + 273.15], axis=1) / 100
W, b = 0.1 * rng.normal(size=(1, 2)), np.zeros(2)
losses = []
for _ in range(100):
    z = x @ W + b
    losses.append(mean_loss(z, y))
    dW, db = layer_gradients(x, (z - y) / len(x))
    W -= 1.0 * dW
    b -= 1.0 * db
print("W", W.round(4), " b", b.round(4), f" loss {losses[-1]:.1e}")

# %% [markdown]
# Each neuron has found its two numbers: times 1.8 plus 0.32, and times 1 plus 2.7315. The same
# lines trained both: `z`, `layer_gradients` and the two steps. They would also train 128 neurons
# with 784 inputs, unchanged.
#
# ## Checks

# %%
assert error_W < 1e-7
assert error_b < 1e-7
assert z.shape == y.shape == (5, 2)
assert dW.shape == W.shape
assert db.shape == b.shape
assert abs(W_trap[0, 0]) < 1e-3
assert np.allclose(W, [[1.8, 1.0]], atol=1e-4)
assert np.allclose(b, [0.32, 2.7315], atol=1e-4)
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. A layer for a batch is `z = x @ W + b`: rows of `x` are samples, columns of `W` are neurons.
# 2. Shapes: `(N, in) @ (in, out) + (out,)` gives `(N, out)`. Every gradient has the shape of its
#    variable.
# 3. `(5, 1) - (5,)` is `(5, 5)`: NumPy broadcasts without a warning, so let the loss check shapes.
# 4. The gradients are `dW = x.T @ dz` and `db = dz.sum(axis=0)`.
# 5. The $1/N$ of the mean is in `dz`, once and nowhere else.
#
# ## Exercises
#
# Fill in [exercises/02_a_layer.py](exercises/02_a_layer.py). Then run
# `.venv/bin/pytest tutorials/exercises -k 02` from the root of the repository: it tells you what is
# still wrong.
#
# ## Read next
#
# - In the package: the class `Dense` in [layers.py](../numpymlp/layers.py). It has these three
#   lines, and a fourth for `dx`, which page 05 explains. There the output of a layer is called `y`,
#   as on page 06. `check_batch` in [validation.py](../numpymlp/validation.py) says what is wrong
#   with a shape.
# - In the course: [03 Softmax and cross-entropy](03_softmax.ipynb), from outputs to probabilities.
