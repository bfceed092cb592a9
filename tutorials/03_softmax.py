# %% [markdown]
# # 03 Softmax and cross-entropy: from numbers to probabilities
#
# ## What you will build
#
# A single layer that reads digits and is right for more than nine of ten. On the way you build the
# two formulas at the end of nearly every network that has to choose: softmax and cross-entropy.
# Written down as they stand in books, both break. You will see how, and mend them.
#
# ## What you need
#
# Page 00, the data, and page 02, a layer and its gradients. The exponential function and the
# natural logarithm.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $N, K$ | `len(x)`, 10 | | samples in the batch, classes |
# | $z$ | `logits` | `(N, K)` | what the last layer puts out: any numbers |
# | $p$ | `softmax(logits)` | `(N, K)` | probabilities: each row sums to 1 |
# | $c$ | `labels` | `(N,)` | the right class of each sample, an integer |
# | $t$ | `one_hot(labels, K)` | `(N, K)` | the same as rows: 1 at the right class, else 0 |
# | $L$ | `cross_entropy(...)` | | the loss |
# | $\partial L/\partial z$ | `dlogits` | `(N, K)` | its gradient with respect to the logits |
#
# $\ln$ is the natural logarithm, which NumPy calls `np.log`. The other symbols are those of page
# 02.

# %%
import matplotlib.pyplot as plt
import numpy as np

from numpymlp import load_mnist
from numpymlp.plots.style import DIVERGING, RIGHT, TRAIN, WRONG, tidy

# %% [markdown]
# ## From any numbers to probabilities
#
# To read a digit, use ten neurons, one for each class, and let the largest output win. These
# outputs are called *logits*. They can be any numbers, -3 as well as 20. We would like
# probabilities: none below 0, and together 1. Two steps lead there. $e^z$ is always positive;
# dividing by the sum makes the sum 1.
#
# $$p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$
#
# This is the *softmax*. As it stands in the formula:


# %%
def naive_softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


logits = np.array([[2.0, 1.0, 0.1], [0.0, 0.0, 0.0]])
print(naive_softmax(logits).round(3))

# %% [markdown]
# `axis=1` sums along each row, and `keepdims=True` leaves the sums as a column, `(N, 1)`, so that
# every row is divided by its own sum. (Page 02's rule says what would happen without it.) The order
# of the logits is kept: the largest has the largest probability. Equal logits give equal
# probabilities.
#
# ## The first break: overflow
#
# **Predict, then run.** Logits may have any size. For which of these rows does the formula fail?
# (`np.errstate` only keeps NumPy's warnings quiet.)

# %%
for size in (10.0, 100.0, 1000.0, -1000.0):
    with np.errstate(over="ignore", invalid="ignore"):
        print(size, naive_softmax(np.array([[size, size - 1]])))

# %% [markdown]
# All four rows should give the same, because only the difference of two logits counts. But
# $e^{1000}$ is larger than any number that the computer knows, so it becomes `inf`, and `inf / inf`
# is `nan`, "not a number". At -1000 both powers become 0, and 0 / 0 is `nan` as well. One `nan`
# spreads into every gradient, and after one step into every weight: the network is lost.
#
# The cure uses what you just read: only differences count. Subtract the same number $m$ from all
# logits of a row, and nothing changes, because $e^{z - m} = e^z / e^m$, and the factor cancels:
#
# $$\frac{e^{z_k - m}}{\sum_j e^{z_j - m}} = \frac{e^{z_k}}{\sum_j e^{z_j}}$$
#
# Take the largest logit of the row for $m$. Then the largest power is $e^0 = 1$: nothing can
# overflow, and the sum is at least 1, so nothing is divided by 0.


# %%
def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


print(softmax(np.array([[1000.0, 999.0], [-1000.0, -1001.0]])).round(6))

# %% [markdown]
# ## How wrong is a probability?
#
# The loss should be small if the right class gets a high probability, and large if it gets a low
# one. Take minus the logarithm of the probability of the right class $c$:
#
# $$L = -\ln p_c$$

# %%
for p in (1.0, 0.9, 0.5, 0.1, 0.01, 0.000001):
    print(f"p = {p:8.6f}   loss {abs(-np.log(p)):6.3f}")

# %% [markdown]
# Sure and right costs nothing. Being undecided costs little. Being sure and wrong costs much: the
# loss has no upper end. This is the *cross-entropy*. The loss of a batch is again the mean over its
# samples.
#
# ## The second break: the logarithm of 0
#
# Say the logits are `[1000, 0]` and the right class is 1. That is very sure, and wrong. The loss
# should be about 1000.

# %%
confident = np.array([[1000.0, 0.0]])
with np.errstate(divide="ignore"):
    print("softmax", softmax(confident), " loss", -np.log(softmax(confident)[0, 1]))

# %% [markdown]
# The softmax is fine: $e^{-1000}$ is so small that 0 is the best that the computer can write. But
# the logarithm of 0 is minus infinity. The answer was lost between the two steps. So do not take
# two steps. The logarithm of the softmax has a formula of its own, since $\ln e^z = z$:
#
# $$\ln p_k = \ln \frac{e^{z_k}}{\sum_j e^{z_j}} = z_k - \ln \sum_j e^{z_j}$$
#
# Subtract the largest logit first, as above. The sum then lies between 1 and $K$, and its logarithm
# is harmless. This is known as the *log-sum-exp trick*.


# %%
def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(logits, labels):
    # row n, column labels[n]: the log probability of each sample's right class
    right = log_softmax(logits)[np.arange(len(labels)), labels]
    return -right.mean()


print("loss", cross_entropy(confident, np.array([1])))

# %% [markdown]
# Exactly 1000. This is why losses in this package take logits, not probabilities: only with the
# logits in hand can the logarithm be computed without loss.
#
# ## The first loss is ln 10
#
# **Predict, then run.** A layer that has learned nothing, `W = 0` and `b = 0`, sees MNIST. What
# does it say about each picture, and what is its loss?

# %%
(x_train, y_train), (x_test, y_test) = load_mnist()
W, b = np.zeros((784, 10)), np.zeros(10)
first_loss = cross_entropy(x_train[:1000] @ W + b, y_train[:1000])
print(f"loss {first_loss:.6f}, ln 10 = {np.log(10):.6f}")

# %% [markdown]
# All logits are 0, so each class gets the probability 1/10, and
# $-\ln \frac{1}{10} = \ln 10 = 2.303$. Whatever the pictures are. Remember this number: a fresh
# network with ten classes must begin near 2.303. If it begins at 8, its first weights are too
# large, and if it begins at 0.5, something tells it the answer. It is the cheapest test there is:
# one loss, before any training.
#
# ## The gradient
#
# To learn, we need the slope of the loss for every logit. Take one sample. With the formula from
# above,
#
# $$L = -\ln p_c = -z_c + \ln \sum_j e^{z_j}$$
#
# The derivative of the first part with respect to $z_k$ is $-1$ if $k$ is the right class, and zero
# otherwise. The second part by the chain rule: the logarithm gives one over the sum, and the sum
# has the derivative $e^{z_k}$, so it is $e^{z_k} / \sum_j e^{z_j}$. That is $p_k$! Together:
#
# $$\frac{\partial L}{\partial z_k} = p_k - t_k$$
#
# where $t$ is the row with 1 at the right class and 0 elsewhere, called *one-hot*. All the
# exponentials and logarithms leave a plain difference: what the layer says, minus what it should
# say. It is the `y - t` of page 01 again. For a batch, the mean divides by $N$.


# %%
def one_hot(labels, classes):
    rows = np.zeros((len(labels), classes))
    rows[np.arange(len(labels)), labels] = 1
    return rows


def cross_entropy_gradient(logits, labels):
    # dL/dlogits = (p - t) / N    (N, K)
    return (softmax(logits) - one_hot(labels, logits.shape[1])) / len(labels)


# %% [markdown]
# Now the finite differences; `numeric_gradient` is page 02's.


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
rng = np.random.default_rng(0)
logits, labels = 3 * rng.normal(size=(5, 10)), rng.integers(0, 10, size=5)
dlogits = cross_entropy_gradient(logits, labels)
numeric = numeric_gradient(lambda: cross_entropy(logits, labels), logits)
gradient_error = np.abs(dlogits - numeric).max()
print(f"error {gradient_error:.1e};  sum of each row {np.abs(dlogits.sum(axis=1)).max():.0e}")

# %% [markdown]
# Each row of the gradient sums to 0 (up to rounding), because $p$ and $t$ both sum to 1: what pulls
# one logit up pushes the others down by as much.
#
# ## Train on MNIST
#
# The layer's own gradients are those of page 02, with `dlogits` in the place of `dy`. One thing is
# new. The gradient of the mean over 60,000 samples takes long, and a few samples already tell the
# direction roughly. So take 100 at a time, a *mini-batch*, step, and take the next 100. When all
# have been used once, an *epoch* is over. Every epoch goes through the samples in a new random
# order.

# %%
W, b = np.zeros((784, 10)), np.zeros(10)
learning_rate, losses = 0.2, []
for epoch in range(3):
    order = rng.permutation(len(x_train))
    for start in range(0, len(order), 100):
        rows = order[start : start + 100]
        x, labels = x_train[rows], y_train[rows]
        logits = x @ W + b
        losses.append(cross_entropy(logits, labels))
        dlogits = cross_entropy_gradient(logits, labels)
        W -= learning_rate * (x.T @ dlogits)
        b -= learning_rate * dlogits.sum(axis=0)
    accuracy = ((x_test @ W + b).argmax(axis=1) == y_test).mean()
    print(f"epoch {epoch}: right for {accuracy:.2%} of the test pictures")

# %%
smooth = np.convolve(losses, np.full(50, 1 / 50), mode="valid")
figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
axes.plot(losses, color="0.8", label="each mini-batch")
axes.plot(np.arange(49, len(losses)), smooth, color=TRAIN, label="mean of the last 50")
axes.axhline(np.log(10), color=WRONG, linestyle="--", label="ln 10")
tidy(axes, "The loss in three epochs", "step", "loss", grid="y")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# The loss starts at ln 10, as it must, falls fast, and then slowly. Single mini-batches jump, since
# each holds other pictures. On 10,000 pictures that it never saw, the layer is right for 92 %. The
# nearest average of page 00 had 82 %. (We only look at the test set here. If you use the test set
# to choose something, such as how long to train, it can no longer judge that choice.)
#
# ## Look inside
#
# Each neuron has 784 weights, one for each pixel. So a neuron is a picture.

# %% tags=["main"]
pictures = W.T.reshape(10, 28, 28)
limit = np.abs(W).max() / 2
figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
both_rows = np.vstack([np.hstack(pictures[:5]), np.hstack(pictures[5:])])
axes.imshow(both_rows, cmap=DIVERGING, vmin=-limit, vmax=limit)
axes.set_axis_off()
axes.set_title("The weights of the ten neurons, 0 to 9: ink on red speaks for, on blue against")
plt.show()

# %% [markdown]
# Look at the first one, the neuron for 0. Ink on the ring, red, speaks for a 0; ink in the middle,
# blue, speaks strongly against it. That is sensible, and it is nearly all that one layer can do:
# each pixel votes for or against, on its own. It cannot say "this stroke counts only if that one is
# missing". For that, layers must build on each other, and a gradient must find its way through
# them. That is page 04.
#
# What does it say about single pictures?

# %%
chosen = [0, 1, 8, 92]
probabilities = softmax(x_test[chosen] @ W + b)
figure, axes = plt.subplots(2, 4, figsize=(8, 3.4), layout="constrained", height_ratios=[3, 2])
for column, (i, row) in enumerate(zip(chosen, probabilities, strict=True)):
    axes[0, column].imshow(x_test[i].reshape(28, 28), cmap="gray_r")
    axes[0, column].set_axis_off()
    colours = [RIGHT if k == y_test[i] else TRAIN for k in range(10)]
    axes[1, column].bar(range(10), row, color=colours)
    tidy(axes[1, column], f"a {y_test[i]}; it says {row.argmax()}: {row.max():.1%}")
    axes[1, column].set(xticks=range(10), ylim=(0, 1))
plt.show()
print("loss of the third:", round(cross_entropy(x_test[[8]] @ W + b, y_test[[8]]), 2))

# %% [markdown]
# Green is the right class. The first two are easy. The third is a 5 that its writer nearly closed
# below; the layer is sure that it is a 6, and pays for it with a loss of 5. The fourth, a 9, is a
# fair case of doubt: it wavers between 4 and 9. That is the use of probabilities: they tell a sure
# answer from a guess.
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
# 2. Subtract the row's largest logit first: nothing changes, and nothing overflows.
# 3. Cross-entropy is $-\ln p_c$; compute it from the logits, as $\ln \sum_j e^{z_j} - z_c$.
# 4. Its gradient is $p - t$, divided by $N$ for the mean.
# 5. A network that knows nothing has the loss $\ln K$; with ten classes, 2.303.
#
# ## Exercises
#
# Fill in `tutorials/exercises/03_softmax.py`. Then `pytest tutorials/exercises -k 03`, run from the
# repository's root, tells you what is still wrong.
#
# ## Read next
#
# In the package: `numpymlp/losses.py`; `softmax`, `log_softmax` and `SoftmaxCrossEntropy` are this
# page. In the course: `04_backpropagation.py`, two layers.
