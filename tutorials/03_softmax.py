# %% [markdown]
# # 03 Softmax and cross-entropy: from numbers to probabilities
#
# ## What you will build
#
# A single layer that reads more than nine of ten digits correctly. On the way you build the two
# formulas at the end of nearly every classifier: softmax and cross-entropy. Copied from a textbook
# into code, both fail for large numbers. You will see how, and repair them.
#
# ## What you need
#
# [Page 00](00_the_data.ipynb), the data, and [page 02](02_a_layer.ipynb), a layer and its
# gradients. The exponential function and the natural logarithm.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $N, K$ | `len(x)`, 10 | | samples in the batch, classes |
# | $z$ | `logits` | `(N, K)` | outputs of the last layer: any numbers |
# | $p$ | `softmax(logits)` | `(N, K)` | probabilities: each row sums to 1 |
# | $c$ | `y` | `(N,)` | the targets: the correct class of each sample, an integer |
# | $y_k$ | `one_hot(y, K)` | `(N, K)` | the targets as rows: 1 at the correct class, else 0 |
# | $L$ | `cross_entropy(...)` | | the loss |
# | $\partial L/\partial z$ | `dlogits` | `(N, K)` | its gradient with respect to the logits |
#
# $\ln$ is the natural logarithm, which NumPy calls `np.log`. The other symbols are those of page
# 02.

# %%
import matplotlib.pyplot as plt
import numpy as np
from drawing import you_are_here

from numpymlp import load_mnist
from numpymlp.plots.style import DIVERGING, RIGHT, TRAIN, WRONG, tidy

# %matplotlib inline

# %% tags=["hide-input"]
you_are_here("softmax and the loss", 4, 5)

# %% [markdown]
# ## From any numbers to probabilities
#
# To read a digit, use ten neurons, one for each class. The class with the largest output is the
# prediction. These outputs are called *logits*. They can be any numbers, -3 as well as 20.
# Probabilities are better to work with: none is below 0, and together they are 1. Two steps turn
# logits into probabilities. First take $e^z$, which is always positive and grows with $z$. Then
# divide by the sum, so that the new sum is 1.
#
# $$p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$
#
# This is the *softmax*. Why $e^z$, and not another positive function? With $e^z$, *adding* to a
# logit *multiplies* the probability: a logit that grows by 1 makes its class $e = 2.718$ times as
# probable, compared with any other class, wherever it started. So each pixel that adds to a logit
# acts like a piece of evidence. And the difference of two logits has a meaning: it is the logarithm
# of the ratio of their probabilities. In code, exactly as the formula says:


# %%
def naive_softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


logits = np.array([[2.0, 1.0, 0.1], [0.0, 0.0, 0.0]])
print(naive_softmax(logits).round(3))

# %% [markdown]
# `axis=1` sums along each row. `keepdims=True` leaves the sums as a column, `(N, 1)`, so that every
# row is divided by its own sum. (The rule of page 02 tells what would happen without it.) Softmax
# keeps the order of the logits: the largest logit has the largest probability. Equal logits have
# equal probabilities.
#
# ## The first failure: overflow
#
# **Predict, then run.** Logits may have any size. For which of these rows does the formula fail?
# (`np.errstate` turns off NumPy's warnings.)

# %% tags=["hide-output"]
for size in (10.0, 100.0, 1000.0, -1000.0):
    with np.errstate(over="ignore", invalid="ignore"):
        print(size, naive_softmax(np.array([[size, size - 1]])))

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# All four rows should give the same result, because softmax depends only on the differences of the
# logits. But $e^{1000}$ is larger than the largest number of the computer, so it becomes `inf`, and
# `inf / inf` is `nan`, "not a number". For -1000 both powers become 0, and 0 / 0 is `nan` as well.
#
# </details>
#
# One `nan` spreads into every gradient, and after one step into every weight. Then the network is
# useless.
#
# The repair uses the fact that only differences matter. Subtract the same number $m$ from all
# logits of a row. Nothing changes, because $e^{z - m} = e^z / e^m$, and the factor cancels:
#
# $$\frac{e^{z_k - m}}{\sum_j e^{z_j - m}} = \frac{e^{z_k}}{\sum_j e^{z_j}}$$
#
# Let $m$ be the largest logit of the row. Then the largest power is $e^0 = 1$. Nothing can
# overflow, and the sum is at least 1, so there is no division by 0.


# %%
def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


print(softmax(np.array([[1000.0, 999.0], [-1000.0, -1001.0]])).round(6))

# %% [markdown]
# ## How wrong is a probability?
#
# How well does the layer explain the labels? Multiply the probabilities that it gives to the
# correct class $c$ of each sample. This product is the *likelihood* of the labels, and a better
# layer has a larger likelihood. A product of thousands of small numbers is hard to handle, but its
# logarithm is a sum. And a loss should be small for a good layer, so change the sign. This gives
# the loss of one sample:
#
# $$L = -\ln p_c$$

# %%
for probability in (1.0, 0.9, 0.5, 0.1, 0.01, 0.000001):
    print(f"p = {probability:8.6f}   loss {abs(-np.log(probability)):6.3f}")

# %% tags=["hide-input"]
share = np.linspace(0.001, 1, 500)
figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
axes.plot(share, -np.log(share), color=TRAIN, linewidth=2)
for probability in (0.9, 0.5, 0.1, 0.01):
    axes.plot(probability, -np.log(probability), "o", color=WRONG)
tidy(axes, "The loss of one sample", "probability of the correct class", "$-\\ln p$", grid="both")
plt.show()

# %% [markdown]
# A confident and correct prediction costs nothing. An undecided one costs little. A confident and
# wrong prediction costs much: the loss has no upper limit. The loss of a batch is again the mean
# over its samples.
#
# The name of this loss is *cross-entropy*. In information theory, the cross-entropy of two
# distributions $y$ and $p$ (two lists of probabilities) is $-\sum_k y_k \ln p_k$. Here $y_k$ is 1
# for the correct class and 0 for all others, so only $-\ln p_c$ remains.
#
# ## The second failure: the logarithm of 0
#
# Suppose that the logits are `[1000, 0]` and the correct class is 1. The prediction is class 0:
# very confident, and wrong. The loss should be about 1000.

# %%
confident = np.array([[1000.0, 0.0]])
with np.errstate(divide="ignore"):
    print("softmax", softmax(confident), " loss", -np.log(softmax(confident)[0, 1]))

# %% [markdown]
# The softmax is as good as it can be: $e^{-1000}$ is so small that the computer must round it to 0.
# But the logarithm of 0 is minus infinity. So compute the logarithm of the softmax in one step
# instead of two. It has its own formula, because $\ln e^z = z$:
#
# $$\ln p_k = \ln \frac{e^{z_k}}{\sum_j e^{z_j}} = z_k - \ln \sum_j e^{z_j}$$
#
# Subtract the largest logit first, as above. Then the sum lies between 1 and $K$, and its logarithm
# is a small number. This is known as the *log-sum-exp trick*.


# %%
def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(logits, y):
    # row n, column y[n]: the log probability of each sample's correct class
    correct = log_softmax(logits)[np.arange(len(y)), y]
    return -correct.mean()


print("loss", cross_entropy(confident, np.array([1])))

# %% [markdown]
# Exactly 1000. For this reason, the losses in this package take logits and not probabilities: from
# the logits, the logarithm can be computed accurately.
#
# ## The first loss is ln 10
#
# **Predict, then run.** A layer that has learned nothing, with `W = 0` and `b = 0`, gets MNIST.
# Which probabilities does it give to each image, and what is its loss?

# %% tags=["hide-output"]
(x_train, y_train), (x_test, y_test) = load_mnist()
W, b = np.zeros((784, 10)), np.zeros(10)
first_loss = cross_entropy(x_train[:1000] @ W + b, y_train[:1000])
print(f"loss {first_loss:.6f}, ln 10 = {np.log(10):.6f}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# All logits are 0, so each class has the probability 1/10, and $-\ln \frac{1}{10} = \ln 10 = 2.303$
# for every image.
#
# </details>
#
# Remember this number: the loss of a new network with ten classes must be near 2.303. If it starts
# at 8, the first weights are too large. If it starts at 0.5, the labels have leaked into the input.
# This is the cheapest test of a network: one loss, before any training.
#
# ## The gradient
#
# Learning needs the derivative of the loss with respect to every logit. Take one sample. With the
# formula from above,
#
# $$L = -\ln p_c = -z_c + \ln \sum_j e^{z_j}$$
#
# The first part has the derivative $-1$ with respect to $z_c$, and 0 with respect to every other
# logit. With the one-hot target of the symbol table, that is $-y_k$. The second part needs the
# chain rule: the logarithm gives one over the sum, and the sum has the derivative $e^{z_k}$.
# Together they give $e^{z_k} / \sum_j e^{z_j}$, and that is $p_k$! So
#
# $$\frac{\partial L}{\partial z_k} = p_k - y_k$$
#
# All exponentials and logarithms have become a plain difference: the output minus the target, like
# `z - y` on page 01. For a batch, the mean divides by $N$.


# %%
def one_hot(y, classes):
    rows = np.zeros((len(y), classes))
    rows[np.arange(len(y)), y] = 1
    return rows


def cross_entropy_gradient(logits, y):
    # dL/dlogits = (probabilities - one_hot) / N    (N, K)
    return (softmax(logits) - one_hot(y, logits.shape[1])) / len(y)


# %% [markdown]
# Compare with finite differences. The next cell is `numeric_gradient` of page 02, unchanged.


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
rng = np.random.default_rng(0)
logits, y = 3 * rng.normal(size=(5, 10)), rng.integers(0, 10, size=5)
dlogits = cross_entropy_gradient(logits, y)
numeric = numeric_gradient(lambda: cross_entropy(logits, y), logits)
gradient_error = np.abs(dlogits - numeric).max()
print(f"error {gradient_error:.1e};  sum of each row {np.abs(dlogits.sum(axis=1)).max():.0e}")

# %% [markdown]
# Each row of the gradient sums to 0 (up to rounding), because the probabilities and the one-hot
# target both sum to 1. A step against this gradient raises the correct logit, and lowers the
# others by the same amount in total.
#
# ## Train on MNIST
#
# The gradients of the layer are those of page 02, with `dlogits` in place of `dz`. One thing is
# new. The gradient over all 60,000 samples takes long to compute, and a few samples already give
# its direction roughly. So take 100 samples, a *mini-batch*, make one step, and take the next 100.
# When every sample has been used once, an *epoch* is over. Every epoch takes the samples in a new
# random order.

# %%
W, b = np.zeros((784, 10)), np.zeros(10)
learning_rate, losses = 0.2, []
for epoch in range(3):
    order = rng.permutation(len(x_train))
    for start in range(0, len(order), 100):
        rows = order[start : start + 100]
        x, y = x_train[rows], y_train[rows]
        logits = x @ W + b
        losses.append(cross_entropy(logits, y))
        dlogits = cross_entropy_gradient(logits, y)
        W -= learning_rate * (x.T @ dlogits)
        b -= learning_rate * dlogits.sum(axis=0)
    accuracy = ((x_test @ W + b).argmax(axis=1) == y_test).mean()
    print(f"epoch {epoch}: test accuracy {accuracy:.2%}")

# %% tags=["hide-input"]
smooth = np.convolve(losses, np.full(50, 1 / 50), mode="valid")
figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
axes.plot(losses, color="0.8", label="each mini-batch")
axes.plot(np.arange(49, len(losses)), smooth, color=TRAIN, label="mean of the last 50")
axes.axhline(np.log(10), color=WRONG, linestyle="--", label="ln 10")
tidy(axes, "The loss in three epochs", "step", "loss", grid="y")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# The loss starts at ln 10, as it must. It falls fast, and then slowly. It jumps from one mini-batch
# to the next, because each holds other images. On 10,000 images that it never saw, the layer has an
# accuracy of 92 %. The nearest average of page 00 had 82 %. (This page uses the test set for
# measuring only. If you use it to choose something, such as the number of epochs, its accuracy is
# no longer a fair measure of that choice.)
#
# ## Look inside
#
# Each neuron has 784 weights, one for each pixel. So its weights are an image.

# %% tags=["main", "hide-input"]
pictures = W.T.reshape(10, 28, 28)
limit = np.abs(W).max() / 2
figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
both_rows = np.vstack([np.hstack(pictures[:5]), np.hstack(pictures[5:])])
axes.imshow(both_rows, cmap=DIVERGING, vmin=-limit, vmax=limit)
axes.set_axis_off()
axes.set_title("The weights of the ten neurons, 0 to 9: red is positive, blue is negative")
plt.show()

# %% [markdown]
# Look at the first one, the neuron for 0. Its weights are positive (red) on the ring: ink there
# raises the logit of 0. They are strongly negative (blue) in the middle: ink there lowers it. This
# makes sense, and it is nearly all that one layer can do. Each pixel votes for or against a class,
# independently of the others. A single layer cannot express "this stroke counts only if that one is
# missing". For that, a second layer must work on the outputs of the first. That is page 04.
#
# What does the layer predict for single images?

# %%
chosen = [0, 1, 8, 92]
probabilities = softmax(x_test[chosen] @ W + b)
figure, axes = plt.subplots(2, 4, figsize=(8, 3.4), layout="constrained", height_ratios=[3, 2])
for column, (i, row) in enumerate(zip(chosen, probabilities, strict=True)):
    axes[0, column].imshow(x_test[i].reshape(28, 28), cmap="gray_r")
    axes[0, column].set_axis_off()
    colours = [RIGHT if k == y_test[i] else WRONG for k in range(10)]
    axes[1, column].bar(range(10), row, color=colours)
    tidy(axes[1, column], f"{y_test[i]} read as {row.argmax()}: {row.max():.1%}")
    axes[1, column].set(xticks=range(10), ylim=(0, 1))
plt.show()
print("loss of the third:", round(cross_entropy(x_test[[8]] @ W + b, y_test[[8]]), 2))

# %% [markdown]
# The bars are the probabilities of the ten classes: green for the correct class, orange for the
# others. The first two images are easy. The third is a 5 whose lower curve is nearly closed. The
# layer is confident that it is a 6, so its loss is high: 5. The fourth, a 9, is really ambiguous:
# the layer divides the probability between 4 and 9. This is what probabilities are good for: they
# tell a confident prediction from a guess.
#
# ## Checks

# %%
assert abs(first_loss - np.log(10)) < 1e-12
assert gradient_error < 1e-7
assert np.isfinite(cross_entropy(np.array([[1e4, -1e4]]), np.array([1])))
assert np.allclose(softmax(logits).sum(axis=1), 1)
assert accuracy > 0.91
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. Softmax turns logits into probabilities: $e^{z_k}$, divided by the sum of its row.
# 2. Subtract the largest logit of the row first: the result is the same, and nothing overflows.
# 3. Cross-entropy is $-\ln p_c$. Compute it from the logits, as $\ln \sum_j e^{z_j} - z_c$.
# 4. Its gradient is the probabilities minus the one-hot target, divided by $N$ for the mean.
# 5. A network that has learned nothing has the loss $\ln K$: 2.303 for ten classes.
#
# ## Exercises
#
# Fill in [exercises/03_softmax.py](exercises/03_softmax.py). Then run
# `.venv/bin/pytest tutorials/exercises -k 03` from the root of the repository: it tells you what is
# still wrong.
#
# ## Read next
#
# - In the package: `softmax`, `log_softmax` and `SoftmaxCrossEntropy` in
#   [losses.py](../numpymlp/losses.py). They are the functions of this page.
# - In the course: [04 A hidden layer](04_a_hidden_layer.ipynb), what a second layer can do.
