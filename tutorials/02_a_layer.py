# %% [markdown]
# # 02 A layer: many neurons and a whole batch in one line
#
# ## What you will build
#
# A layer of neurons, `y = x @ W + b`, and its gradients, all without a loop. The line is short
# because the shapes do the work. You will also meet a bug that has cost beginners many hours: two
# shapes that do not belong together, and no error.
#
# ## What you need
#
# Page 01: a neuron, its loss, `dw = dy * x`, and finite differences. From school or elsewhere: how
# two matrices are multiplied, row times column.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $N$ | `len(x)` | | number of samples in the batch |
# | $x$ | `x` | `(N, in)` | inputs, one sample in each row |
# | $W$ | `W` | `(in, out)` | weights, one neuron in each column |
# | $b$ | `b` | `(out,)` | biases, one for each neuron |
# | $y$ | `y` | `(N, out)` | outputs, one sample in each row, one neuron in each column |
# | $t$ | `t` | `(N, out)` | targets |
# | $L$ | `mean_loss(y, t)` | | the loss of the batch |
# | $\partial L/\partial y$ | `dy` | `(N, out)` | gradient of the loss with respect to `y` |
# | $\partial L/\partial W$ | `dW` | `(in, out)` | with respect to `W` |
# | $\partial L/\partial b$ | `db` | `(out,)` | with respect to `b` |
#
# `in` and `out` are the numbers of inputs and of neurons. A gradient has the shape of what it
# belongs to. A *batch* is a number of samples that go through the layer together.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

from numpymlp.plots.style import TRAIN, WRONG, tidy

# %% [markdown]
# ## Many inputs
#
# The neuron of page 01 had one input. With many, each input $x_i$ gets a weight $w_i$ of its own,
# and the neuron adds them all up:
#
# $$y = \sum_i x_i w_i + b$$
#
# The sum of products of two rows of numbers is what `@` computes.

# %%
x_one = np.array([1.0, 2.0, 3.0])
w = np.array([0.5, -1.0, 2.0])
print(x_one[0] * w[0] + x_one[1] * w[1] + x_one[2] * w[2] + 0.25)
print(x_one @ w + 0.25)

# %% [markdown]
# ## Many neurons
#
# A layer is several neurons that all get the same inputs. Write the weights of each as a *column*,
# and put the columns side by side: that is the matrix `W`. Here are two neurons with three inputs.

# %%
W = np.array([[0.5, 1.0], [-1.0, 0.0], [2.0, 1.0]])
b = np.array([0.25, -1.0])
print("W", W.shape, " b", b.shape)
print(x_one @ W + b)

# %% [markdown]
# The first number is the neuron from above; the second is
# $1 \cdot 1 + 2 \cdot 0 + 3 \cdot 1 - 1 = 3$.
#
# ## Many samples
#
# Rows are samples. Put four samples under each other and the same line still works. **Predict, then
# run.** `x` is `(4, 3)`, `W` is `(3, 2)`. What is the shape of `y`, and what stands in its row 2?
# (Rows count from 0.)

# %%
x = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
y = x @ W + b
print("y", y.shape)
print(y)

# %% [markdown]
# `(4, 3) @ (3, 2)` gives `(4, 2)`: the inner lengths must agree and vanish, the outer ones remain.
# Row 2 of `y` is what the two neurons say to sample 2, `[1, 0, 0]`: the first weight of each, plus
# its bias.
#
# This picture is worth keeping in mind. Each number of `y` is one row of `x` times one column of
# `W`: one sample meets one neuron.


# %% tags=["main"]
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
draw(axes, 13, sample * neuron, "y  (N, out)")
for place, sign in ((4, "@"), (8, "+"), (12, "=")):
    axes.text(place, 0, sign, ha="center", va="center", fontsize=20)
axes.set(xlim=(-0.7, 15.7), ylim=(-3.3, 2.2), aspect="equal")
axes.set_axis_off()
plt.show()

# %% [markdown]
# Why not loops? Because a loop in Python looks at every number on its own, while `@` hands the
# whole product to a library that has been tuned for decades. Here is a layer for MNIST, 784 inputs
# and 10 neurons, and 100 samples.

# %%
rng = np.random.default_rng(0)
pixels, weights = rng.random((100, 784)), rng.normal(size=(784, 10))
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
print("at least 100 times as fast:", ratio > 100)

# %% [markdown]
# The numbers agree, and `@` is more than a hundred times as fast. So in this course no loop ever
# runs over samples or neurons.
#
# ## What `+ b` does
#
# `x @ W` is `(4, 2)` and `b` is `(2,)`. These shapes are not equal, and yet NumPy adds them: it
# repeats `b` for every row. This is called *broadcasting*, and it follows one rule:
#
# **Write the two shapes under each other, flush right. Lengths that stand above each other must be
# equal, or one of them must be 1 or missing; that one is repeated.**
#
# ```
# x @ W   (4, 2)
# b          (2,)     missing in front: repeated 4 times
# y       (4, 2)
# ```
#
# This is just what a layer needs. It is also a trap.
#
# ## The trap
#
# Take page 01's task again, now as a batch: five temperatures, `x` of shape `(5, 1)`, one neuron.
# The targets are a plain list of five numbers, shape `(5,)`.

# %%
celsius = np.array([-20.0, 0.0, 20.0, 50.0, 100.0])
x = celsius[:, None] / 100
t_flat = (1.8 * celsius + 32) / 100
W, b = np.ones((1, 1)), np.zeros(1)
y = x @ W + b
print("x", x.shape, "  y", y.shape, "  t_flat", t_flat.shape)

# %% [markdown]
# (`[:, None]` makes a column out of a row: shape `(5,)` becomes `(5, 1)`.)
#
# **Predict, then run.** What is the shape of `y - t_flat`? Use the rule.

# %%
print((y - t_flat).shape)
print((y - t_flat).round(2))

# %% [markdown]
# ```
# y        (5, 1)     1: repeated 5 times
# t_flat      (5,)    missing in front: repeated 5 times
# y - t    (5, 5)
# ```
#
# Twenty-five differences instead of five: every output against every target. Only those on the
# diagonal are meant. No error, no warning, and the mean of their squares is a number that looks
# like a loss. It even falls when you train. Watch what is learned from it.


# %%
def train(x, t, steps=200, learning_rate=1.0):
    W, b = np.ones((1, 1)), np.zeros(1)
    for _ in range(steps):
        difference = x @ W + b - t
        # page 01's mean over the samples, of dy * x and of dy
        W -= learning_rate * (difference * x).mean()
        b -= learning_rate * difference.mean()
    return W, b, (difference**2).mean() / 2


W_trap, b_trap, loss_trap = train(x, t_flat)
print(f"W {W_trap[0, 0]:.4f}, b {b_trap[0]:.4f}, loss {loss_trap:.4f}")

# %% [markdown]
# The weight is 0. The neuron ignores the temperature and always says 0.86, which is the mean of the
# targets: when every output is compared with every target, that is the best it can do. Training
# "worked", and the model is useless. Now with targets of the right shape.

# %%
t = t_flat[:, None]
W, b, loss_right = train(x, t)
print("t", t.shape, "  y - t", (x @ W + b - t).shape)
print(f"W {W[0, 0]:.4f}, b {b[0]:.4f}, loss {loss_right:.1e}")

# %%
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
axes.plot(x, t, "o", color="black", label="samples")
axes.plot(x, x @ W + b, color=TRAIN, label="t of shape (5, 1)")
axes.plot(x, x @ W_trap + b_trap, "--", color=WRONG, label="t of shape (5,)")
tidy(axes, "The same training, the same numbers, another shape", "input x", "output y", grid="y")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# The cure is not to be careful. The cure is one line in the loss, which makes the mistake an error.


# %%
def mean_loss(y, t):
    assert y.shape == t.shape, f"outputs {y.shape}, targets {t.shape}: these must be equal"
    return ((y - t) ** 2).sum(axis=1).mean() / 2


try:
    mean_loss(x @ W + b, t_flat)
except AssertionError as error:
    print("refused:", error)

# %% [markdown]
# For a layer with several outputs the loss of a sample is the sum over its outputs, `sum(axis=1)`,
# and the loss of the batch is the mean over its samples, `mean()`.

# %% [markdown]
# ## The gradients of a layer
#
# Page 01 had `dw = dy * x` for one sample and one weight. Take the weight `W[i, j]`, which leads
# from input $i$ to neuron $j$. In each sample $n$ it multiplies `x[n, i]`, and only the output
# `y[n, j]` notices. So sample $n$ adds `x[n, i] * dy[n, j]` to its slope, and all samples together
# give
#
# $$\frac{\partial L}{\partial W_{ij}} = \sum_n x_{ni}\, \frac{\partial L}{\partial y_{nj}}$$
#
# A sum of products over $n$ is again a matrix product. The rows of `x` must become columns for it,
# which is what `x.T`, the transpose, does:
#
# $$\frac{\partial L}{\partial W} = x^T \frac{\partial L}{\partial y}
# \qquad (in, N) \;@\; (N, out) \to (in, out)$$
#
# The bias of neuron $j$ is added in every sample, times 1: its slope is the sum of `dy` over the
# samples.
#
# Where did the mean go? Into `dy`. The loss is
# $L = \frac{1}{N}\sum_n \frac{1}{2}\sum_j (y_{nj} - t_{nj})^2$, so
# $\partial L/\partial y_{nj} = (y_{nj} - t_{nj}) / N$. The $1/N$ is in there already. Whoever
# divides again makes the gradient $N$ times too small; this is a common mistake with batches.


# %%
def layer_gradients(x, dy):
    # dL/dW = x^T dL/dy    (in, N) @ (N, out) -> (in, out)
    dW = x.T @ dy
    # dL/db = sum over the batch of dL/dy    (N, out) -> (out,)
    db = dy.sum(axis=0)
    return dW, db


# %% [markdown]
# ## Compare with finite differences
#
# `W` has several numbers now. Move each of them by $h$ to both sides, look at the loss, and put it
# back. `np.ndindex` goes through all places of an array.


# %%
def numeric_gradient(f, array, h=1e-5):
    """Give the central difference of f() for every number of an array that f uses."""
    gradient = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + h
        above = f()
        array[place] = kept - h
        below = f()
        array[place] = kept
        gradient[place] = (above - below) / (2 * h)
    return gradient


# %%
x = rng.normal(size=(4, 3))
W, b = rng.normal(size=(3, 2)), rng.normal(size=2)
t = rng.normal(size=(4, 2))
dy = (x @ W + b - t) / len(x)
dW, db = layer_gradients(x, dy)
error_W = np.abs(dW - numeric_gradient(lambda: mean_loss(x @ W + b, t), W)).max()
error_b = np.abs(db - numeric_gradient(lambda: mean_loss(x @ W + b, t), b)).max()
print("dW", dW.shape, f"error {error_W:.1e}    db", db.shape, f"error {error_b:.1e}")

# %% [markdown]
# Right, to ten digits. Do you want to see that the comparison can fail? Divide by $N$ once more.

# %%
wrong = layer_gradients(x, dy / len(x))[0]
print(f"error {np.abs(wrong - numeric_gradient(lambda: mean_loss(x @ W + b, t), W)).max():.1e}")

# %% [markdown]
# ## A layer that learns
#
# All together: one input, two neurons. The first shall learn degrees Fahrenheit, the second kelvin,
# which is Celsius plus 273.15, both from the same five temperatures.

# %%
x = celsius[:, None] / 100
t = np.stack([1.8 * celsius + 32, celsius + 273.15], axis=1) / 100
W, b = 0.1 * rng.normal(size=(1, 2)), np.zeros(2)
losses = []
for _ in range(100):
    y = x @ W + b
    losses.append(mean_loss(y, t))
    dW, db = layer_gradients(x, (y - t) / len(x))
    W -= 1.0 * dW
    b -= 1.0 * db
print("W", W.round(4), " b", b.round(4), f" loss {losses[-1]:.1e}")

# %% [markdown]
# Each neuron has found its own numbers: times 1.8 plus 0.32, and times 1 plus 2.7315. Both came
# from the same lines, `y`, `layer_gradients` and the two steps, and 784 inputs and 128 neurons
# would need no other ones.
#
# ## Checks

# %%
assert error_W < 1e-7
assert error_b < 1e-7
assert y.shape == t.shape == (5, 2)
assert dW.shape == W.shape
assert db.shape == b.shape
assert abs(W_trap[0, 0]) < 1e-3
assert np.allclose(W, [[1.8, 1.0]], atol=1e-4)
assert np.allclose(b, [0.32, 2.7315], atol=1e-4)
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. A layer for a batch is `y = x @ W + b`: rows of `x` are samples, columns of `W` are neurons.
# 2. Shapes: `(N, in) @ (in, out) + (out,)` gives `(N, out)`; every gradient has the shape of its
#    array.
# 3. `(5, 1) - (5,)` is `(5, 5)`: NumPy repeats instead of complaining, so let the loss check
#    shapes.
# 4. The gradients are `dW = x.T @ dy` and `db = dy.sum(axis=0)`.
# 5. The $1/N$ of the mean is in `dy`, once and nowhere else.
#
# ## Exercises
#
# Fill in `tutorials/exercises/02_a_layer.py`. Then `pytest tutorials/exercises -k 02`, run from the
# repository's root, tells you what is still wrong.
#
# ## Read next
#
# In the package: the class `Dense` in `numpymlp/layers.py`, where these three lines stand, with two
# more that page 04 explains, and `check_batch` in `numpymlp/validation.py`, which says what is
# wrong with a shape. In the course: `03_softmax.py`, from outputs to probabilities.
