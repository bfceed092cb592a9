# %% [markdown]
# # 07 Gradient checking: find seven faults in networks that still learned
#
# ## What you will build
#
# A gradient checker in a dozen lines: a test for every `backward` that you will ever write. Then
# you look for seven faults, each from published code that is widely read. Networks that were
# trained with this code did learn. Your checker finds five of the faults. For the other two you
# will see which test finds them. A [gallery](wrong_gradients.md) names the sources and has more
# cases to find.
#
# ## What you need
#
# [06 Layers as classes](06_layers_as_classes.ipynb): layers with `forward` and `backward`, and a
# network of them. [03 Softmax](03_softmax.ipynb): softmax and cross-entropy.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $L$ | `loss`, `value` | number | the loss |
# | $p$ | `p` | any | numbers that the loss depends on: parameters or an input |
# | $h$ | `h` | number | the step: how far one number of $p$ is moved |
# | $x, y$ | `x`, `y` | (N, in), (N, out) | in a layer: its input and its output |
# | $\partial L/\partial y$ | `dy` | as `y` | the upstream gradient, which a layer receives |
# | $\partial L/\partial x$ | `dx` | as `x` | the downstream gradient, which a layer returns |
# | $z$ | `logits` | (N, K) | a network's output before softmax, as on page 03 |
# | | `y` | (N,) or (N, K) | in a loss: the targets, as integers or as one-hot rows |
# | | `probabilities` | (N, K) | softmax of the logits |
# | | `cache` | any | what `forward` leaves for `backward` |

# %%
import matplotlib.pyplot as plt
import numpy as np
from drawing import you_are_here

import numpymlp
from numpymlp.gradient_check import check_gradients, check_layer
from numpymlp.plots.style import RUN_COLOURS, tidy

# %matplotlib inline

# %% tags=["hide-input"]
you_are_here("all orange numbers, tested")

# %% [markdown]
# ## 1. The definition is the test
#
# A derivative says how much the loss changes if one number moves a little. So move the number and
# measure the change:
#
# $$\frac{\partial L}{\partial p_i} \approx \frac{L(p + h\,e_i) - L(p - h\,e_i)}{2h}$$
#
# $e_i$ is 1 at position $i$ and 0 elsewhere. This is a *central difference*. It needs two forward
# passes for each number and no calculus at all, so it cannot share a mistake with your `backward`.
#
# You know the first function below from page 05. It changes the array in place, calls `f()`, which
# reads that array, and restores the old value. The second function is new. An error of 0.001 is
# large if the gradients are near 0.01, and small if they are near 1,000. So we measure the error
# relative to the largest gradient.


# %%
def numeric_gradient(f, array, h=1e-5):
    """Return the central difference of f() for every number of an array that f reads."""
    gradient = np.zeros_like(array)
    for i in np.ndindex(array.shape):
        original = array[i]
        array[i] = original + h
        above = f()
        array[i] = original - h
        below = f()
        array[i] = original
        gradient[i] = (above - below) / (2 * h)
    return gradient


def error(analytic, numeric):
    """Return the largest difference, relative to the largest gradient."""
    return abs(analytic - numeric).max() / max(abs(analytic).max(), abs(numeric).max())


# %% [markdown]
# Try it on a function that you can differentiate yourself: $L = \sum_i p_i^3$ has the gradient
# $3 p_i^2$.

# %%
p = np.array([1.0, -2.0, 0.5])
numeric = numeric_gradient(lambda: (p**3).sum(), p)
print("by differences:", numeric)
print("by calculus:   ", 3 * p**2)
print(f"error {error(3 * p**2, numeric):.1e}")
assert error(3 * p**2, numeric) < 1e-9

# %% [markdown]
# ## 2. How small should the step be?
#
# **Predict, then run.** A derivative is a limit for $h \to 0$. Which step gives the smallest error:
# 1e-2, 1e-5 or 1e-10? And does it matter whether the numbers are float64 or float32?
#
# We take a network with tanh instead of ReLU: a smooth curve from -1 to 1, without the kink of ReLU
# at 0. We compare its backpropagation with differences for many steps.


# %%
def network_error(h, dtype):
    rng = np.random.default_rng(0)
    network = numpymlp.mlp([6, 5, 3], "tanh", rng=rng, dtype=dtype)
    x, y = rng.normal(size=(8, 6)), rng.integers(0, 3, size=8)
    cross_entropy = numpymlp.SoftmaxCrossEntropy()

    def loss():
        return cross_entropy.forward(network.forward(x), y)

    loss()
    network.backward(cross_entropy.backward())
    return error(network.gradients, numeric_gradient(loss, network.parameters, h))


# %% tags=["main", "hide-output"]
steps = 10.0 ** np.arange(-12, 0)
figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
tidy(axes, "Error of the difference, on correct code", "step h", "relative error", grid="y")
for dtype, colour in ((np.float32, RUN_COLOURS[1]), (np.float64, RUN_COLOURS[0])):
    errors = [network_error(h, dtype) for h in steps]
    axes.loglog(steps, errors, "o-", color=colour, label=np.dtype(dtype).name)
    print(f"{np.dtype(dtype).name}: smallest error {min(errors):.0e}, at 1e-5 {errors[7]:.0e}")
axes.axhline(1e-7, color="black", linestyle=":", label="limit of the check, 1e-7")
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Read the blue curve (float64) from the right. The error shrinks with $h^2$: a step ten times as
# small makes the error a hundred times as small. But below 1e-5 the error rises again. The two
# losses then agree in almost all their digits. What is left after the subtraction is mostly
# rounding error, and it is divided by a tiny $h$.
#
# The orange curve (float32) stays far above the limit at every step, and at 1e-5 its error is 2 %.
# float32 has only seven digits.
#
# </details>
#
# So: **float64, a step near 1e-5, and an error under 1e-7.** We train in float32 and check in
# float64.
#
# ## 3. A test for one layer
#
# A layer has no loss. Give it one: choose fixed random numbers `dy`, and let $L = \sum dy \cdot y$.
# Then $\partial L / \partial y$ is exactly `dy`, the upstream gradient of a real network, and
# `backward(dy)` must return $\partial L / \partial x$. `training=True` says that the network is
# being trained; it matters for few layers (section 5).


# %%
def layer_error(layer, x, seed=None):
    """Return the error of a layer's dx, for a random upstream gradient."""
    dy = np.random.default_rng(1).normal(size=layer.forward(x).shape)

    def loss():
        if seed is not None:
            layer.rng = np.random.default_rng(seed)
        return (dy * layer.forward(x, training=True)).sum()

    numeric = numeric_gradient(loss, x)
    loss()
    return error(layer.backward(dy), numeric)


x = np.random.default_rng(2).normal(size=(4, 5))
for layer in (numpymlp.ReLU(), numpymlp.Tanh(), numpymlp.Sigmoid()):
    print(f"{type(layer).__name__:8s} {layer_error(layer, x):.1e}")
    assert layer_error(layer, x) < 1e-7

# %% [markdown]
# These three are right. (Sigmoid is also a smooth curve, from 0 to 1.) But the test compares only
# `dx`. A layer with parameters needs the same for each of them: `numeric_gradient(loss, layer.W)`
# against `layer.dW`. Case 5 and section 12 do it. (`seed` is for layers that draw random numbers;
# section 5 uses it.)
#
# Now it is your turn. **Read each case first and try to see the fault. Then run the check. The
# answer is in the closed box below it.**
#
# The layers below derive from `numpymlp.Layer`, as every layer of the package does. `backward` has
# a second argument there: `input_gradient=False` says that nobody needs `dx`, which is true for the
# first layer of a network. The layers on this page ignore it.
#
# ## 4. Case 1: a rectifier from a well-known tutorial


# %%
class CaseOne(numpymlp.Layer):
    def forward(self, x, training=False):
        y = np.maximum(x, 0)
        self.cache = y
        return y

    def backward(self, dy, input_gradient=True):
        y = self.cache
        return dy * (y >= 0)


print(f"error {layer_error(CaseOne(), x):.2f}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# An error of 1 means that some gradient is entirely wrong. The derivative of ReLU is 1 where its
# *input* is positive and 0 elsewhere. But `y` is the value *after* ReLU, which is never negative:
# `y >= 0` is always true, and the layer passes on every gradient unchanged. The repair: `y > 0`.
#
# </details>
#
# Does a network with this fault still learn? Find out. (`minibatches` shuffles the samples and cuts
# them into batches; `evaluate` returns loss and accuracy.)


# %%
def train(activation, epochs=3):
    (x_train, y_train), (x_test, y_test) = numpymlp.load_mnist()
    rng, cross_entropy = np.random.default_rng(0), numpymlp.SoftmaxCrossEntropy()
    layers = [numpymlp.Dense(784, 64), activation(), numpymlp.Dense(64, 64), activation()]
    network = numpymlp.Network([*layers, numpymlp.Dense(64, 10)], rng=rng)
    for _ in range(epochs):
        for x, y in numpymlp.minibatches(x_train[:10000], y_train[:10000], 50, rng):
            cross_entropy.forward(network.forward(x, training=True), y)
            network.backward(cross_entropy.backward())
            network.parameters -= 0.1 * network.gradients
    return numpymlp.evaluate(network, cross_entropy, x_test, y_test).accuracy


for activation in (CaseOne, numpymlp.ReLU):
    print(f"{activation.__name__:8s} test accuracy {100 * train(activation):.1f} %")

# %% [markdown]
# It learns, a point or two worse than it should. But nobody knows in advance how good it should be,
# so the accuracy does not reveal the fault. A direction that is roughly right is enough to learn.
#
# ## 5. Case 2: dropout
#
# A *unit* is one output of a layer. Dropout sets a random share of the units to zero during
# training, so that no unit relies on another (page 10 uses it). The other units are divided by
# `1 - rate`, which keeps the sum about the same. This code comes from the same tutorial.


# %%
class CaseTwo(numpymlp.Layer):
    rate, rng = 0.5, np.random.default_rng(0)

    def forward(self, x, training=False):
        self.cache = self.rng.random(x.shape) >= self.rate if training else np.ones(x.shape)
        return x * self.cache / (1 - self.rate) if training else x

    def backward(self, dy, input_gradient=True):
        alive = self.cache
        return dy * alive


print(f"error {layer_error(CaseTwo(), x):.1e}")

# %% [markdown]
# An error of about 1. But this number says nothing yet. Each forward pass drops different units, so
# the two losses of one difference belong to two different functions. The package's `Dropout`, which
# is right, would fail too. **Restart the random numbers before each pass**; then every pass drops
# the same units.

# %%
print(f"case 2, same units each time            error {layer_error(CaseTwo(), x, seed=3):.2f}")
right = layer_error(numpymlp.Dropout(0.5), x, seed=3)
print(f"the package's dropout, same units       error {right:.1e}")
assert right < 1e-7

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Now 0.50 means something: every gradient is half of what it should be. `forward` multiplies by
# `alive / (1 - rate)`, so `backward` must multiply by the same. With this fault, the layers before
# a dropout layer learn with half the learning rate of those after it.
#
# </details>
#
# ## 6. Case 3: softmax as a layer
#
# The layer below is wrong, but it passes the tests that two well-known teaching libraries have for
# softmax. Take one row of the input and its probabilities $y$, the output of the layer. If $x_j$
# grows, $y_j$ grows and all other probabilities shrink:
#
# $$\frac{\partial y_k}{\partial x_j} = y_k\,([k = j] - y_j), \qquad
# \frac{\partial L}{\partial x_j} = \sum_k dy_k\, \frac{\partial y_k}{\partial x_j}
# = y_j\,\Big(dy_j - \sum_k dy_k\, y_k\Big)$$
#
# $[k = j]$ is 1 if $k = j$, and 0 otherwise. (The first formula is the derivative of
# $e^{x_k} / \sum_i e^{x_i}$; the second is page 05's sum over all paths.)


# %%
class CaseThree(numpymlp.Layer):
    def forward(self, x, training=False):
        y = numpymlp.softmax(x)
        self.cache = y
        return y

    def backward(self, dy, input_gradient=True):
        y = self.cache
        return dy - (dy * y).sum(axis=1, keepdims=True)


# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# You may have seen it: the factor $y_j$ in front is missing.
#
# </details>
#
# The test of those libraries takes the sum of all outputs as the loss. This means that `dy` is 1
# everywhere.
#
# **Predict, then run.** Does the test with ones find the fault? Look at what `backward` returns.

# %% tags=["hide-output"]
ones = np.ones((4, 5))
layer = CaseThree()
layer.forward(x)
print("with ones, largest |dx| by backward:     ", f"{abs(layer.backward(ones)).max():.1e}")
numeric = numeric_gradient(lambda: layer.forward(x).sum(), x)
print("with ones, largest |dx| by differences:  ", f"{abs(numeric).max():.1e}")
print("with random numbers, error:              ", f"{layer_error(CaseThree(), x):.2f}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# With ones, both gradients are 0, up to rounding, and the test passes. The probabilities of a row
# always sum to 1: their sum does not depend on `x`, so its gradient is 0, whatever factor is
# missing.
#
# </details>
#
# A random `dy` finds the fault. **Check with a random upstream gradient.**
#
# ## 7. Case 4: a cross-entropy
#
# This loss, for the output of a softmax, comes from a popular collection of algorithms. The targets
# `y` are one-hot: 1 for the right class, 0 for the others.


# %%
class CaseFour:
    def forward(self, logits, y):
        probabilities = numpymlp.softmax(logits)
        self.cache = probabilities, y
        per_entry = -y * np.log(probabilities) - (1 - y) * np.log(1 - probabilities)
        return per_entry.sum() / len(y)

    def backward(self):
        probabilities, y = self.cache
        return (probabilities - y) / len(y)


# %% [markdown]
# First a check that needs no gradient: if all ten logits are equal, the loss must be
# $\ln 10 = 2.303$. Then the gradient.

# %%
loss, y = CaseFour(), np.eye(10)[[3, 1, 4, 1]]
print(f"loss at equal logits {loss.forward(np.zeros((4, 10)), y):.3f}, ln 10 is {np.log(10):.3f}")
logits = np.random.default_rng(4).normal(size=(4, 10))
numeric = numeric_gradient(lambda: loss.forward(logits, y), logits)
print(f"error {error(loss.backward(), numeric):.2f}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Both checks fail. The formula in `forward` is the *binary* cross-entropy, made for independent
# yes-or-no questions. Summed over softmax outputs, it counts the wrong classes too. `backward`
# returns `probabilities - y`, the gradient of the right loss. So a network learns as it should, but
# every loss that is printed, and every curve drawn from it, belongs to another function.
#
# </details>
#
# A gradient check says that `forward` and `backward` disagree, not which of the two is wrong.
#
# ## 8. Case 5: an L1 penalty
#
# This one comes from another popular library. An *L1 penalty*, `strength` $\cdot \sum |W|$, is
# added to the loss. It grows with the size of every weight, so it should push the weights towards
# zero. What is missing?


# %%
class CaseFive:
    strength = 0.01

    def __init__(self):
        rng = np.random.default_rng(5)
        self.dense = numpymlp.Dense(5, 3, rng=rng)
        self.cross_entropy = numpymlp.SoftmaxCrossEntropy()

    def forward(self, x, y):
        value = self.cross_entropy.forward(self.dense.forward(x), y)
        return value + self.strength * abs(self.dense.W).sum()

    def backward(self):
        self.dense.backward(self.cross_entropy.backward())
        return self.dense.dW


# %%
model, y = CaseFive(), np.array([0, 2, 1, 1])
numeric = numeric_gradient(lambda: model.forward(x, y), model.dense.W)
model.forward(x, y)
print(f"error of dW {error(model.backward(), numeric):.3f}")
print("difference / strength:")
print(((numeric - model.backward()) / model.strength).round(3))

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# The error is small, but it is a hundred thousand times the limit. The missing part is exactly the
# sign of each weight, times the strength. The penalty changes the loss and not the gradient, so it
# changes no weight at all, whatever its strength. Only the printed loss changed.
#
# </details>
#
# This is why the limit is 1e-7 and not "a few percent". **Check the whole loss, with everything
# that is added to it, against a strict limit.**
#
# ## 9. Case 6: probabilities
#
# From the same library. `decide` should return logits, and `case_six`, its `predict_proba`, should
# return their probabilities. There is no gradient here. Is it right?


# %%
def decide(x):
    return numpymlp.softmax(x @ np.diag([6.0, 5.0, 4.0, 3.0, 2.0]))  # "logits"


def case_six(x):
    return numpymlp.softmax(decide(x))


print("probabilities:", case_six(np.eye(5)[:1]).round(3)[0], " sum:", case_six(x)[0].sum().round(6))
print("same answers: ", (case_six(x).argmax(axis=1) == decide(x).argmax(axis=1)).all())

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# `decide` has already applied softmax, so softmax is applied twice. Sum and predicted class do not
# show it. A network that gives its answer a probability of 99 % is shown with 40 %.
#
# </details>
#
# No gradient check can find this, because training does not use `predict_proba`. What can? Softmax
# has a property to test. For probabilities $q$ = softmax($z$), the difference $\log q_i - \log q_j$
# must be the difference of the logits, $z_i - z_j$.

# %%
z = x @ np.diag([6.0, 5.0, 4.0, 3.0, 2.0])
for name, probabilities in (("once", numpymlp.softmax(z)), ("twice", case_six(x))):
    logs = np.log(probabilities)
    gap = (logs[:, 0] - logs[:, 1]) - (z[:, 0] - z[:, 1])
    print(f"softmax {name:5s} largest deviation {abs(gap).max():.1e}")

# %% [markdown]
# ## 10. Case 7: shuffling
#
# A small, popular library shuffles before every epoch. Here are twelve samples in batches of four:


# %%
def case_seven(x, batch_size, rng):
    starts = np.arange(0, len(x), batch_size)
    rng.shuffle(starts)
    for start in starts:
        yield x[start : start + batch_size]


rng = np.random.default_rng(6)
for epoch in (1, 2, 3):
    print(f"epoch {epoch}:", *(batch.tolist() for batch in case_seven(np.arange(12), 4, rng)))

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# The code shuffles the starts of the batches, not the samples: 0, 1, 2 and 3 always come together.
# If the data is sorted by class, each batch then holds a single class, in every epoch.
#
# </details>
#
# The test: each epoch must contain every sample once, and two epochs must differ in which samples
# share a batch.


# %%
def groups(batches):
    batches = [np.sort(batch) for batch in batches]
    assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(12))  # every sample once
    return {tuple(batch.tolist()) for batch in batches}


def package_batches(x, batch_size, rng):
    return (batch for batch, _ in numpymlp.minibatches(x, x, batch_size, rng))


rng = np.random.default_rng(6)
for shuffle in (case_seven, package_batches):
    first, second = (groups(shuffle(np.arange(12), 4, rng)) for _ in range(2))
    print(f"{shuffle.__name__:16s} other batches in the second epoch: {first != second}")

# %% [markdown]
# Page 08 has two more faults that no gradient check can find, in an optimizer.
#
# ## 11. What can mislead a check
#
# Two things can still mislead a check.
#
# **Kinks.** ReLU has no derivative at 0. If a step of $h$ moves a unit across 0, the difference
# mixes the slopes of both sides. Here is a correct ReLU with an input of 0.000003:

# %%
near = np.array([[3e-6, 1.0, -1.0]])
print(f"at 3e-6: error {layer_error(numpymlp.ReLU(), near):.2f}")
print(f"at 3e-2: error {layer_error(numpymlp.ReLU(), near + 0.03):.1e}")

# %% [markdown]
# **Dead units.** Where a unit is 0 for every sample, its true gradient is 0, and so a wrong
# `backward` may agree with it. Here is a faulty ReLU twice, with living and with dead units.
# (`x - 10` is negative everywhere.) `error` would divide 0 by 0 there, so we look at the plain
# difference.


# %%
class AlwaysZero(numpymlp.ReLU):
    def backward(self, dy, input_gradient=True):
        return np.zeros_like(dy)


def disagreement(layer, x):
    numeric = numeric_gradient(lambda: layer.forward(x).sum(), x)
    return abs(layer.backward(np.ones_like(x)) - numeric).max()


print("alive: largest disagreement", disagreement(AlwaysZero(), x.copy()).round(6))
print("dead:  largest disagreement", disagreement(AlwaysZero(), x - 10).round(6))

# %% [markdown]
# With dead units, the fault is invisible. So use random inputs, biases that are not zero, points
# away from kinks, and a batch for which most units are alive.
#
# ## 12. The package's checker
#
# `numpymlp.gradient_check` is your checker with these precautions built in. It copies the network
# to float64, restarts the random numbers, recognises kinks, counts dead units, and checks every
# parameter and the input. It also finds other faults, such as a layer that writes into the arrays
# of another layer, or whose `backward` gives another result when it is called twice.
#
# Here it checks a network with dropout and with *batch normalization*, a layer that this course
# does not build. Over a batch, batch normalization brings every feature (one column of its input)
# to mean 0 and variance 1 (the mean of the squares). Then it multiplies the feature by a parameter,
# `gamma`, and adds another, `beta`. Its backward pass is hard to get right.

# %%
rng = np.random.default_rng(7)
network = numpymlp.mlp([20, 10, 10, 5], batch_norm=True, dropout=0.2, rng=rng)
x, y = rng.normal(size=(16, 20)), rng.integers(0, 5, size=16)
report = check_gradients(network, numpymlp.SoftmaxCrossEntropy(), x, y)
print(report)
assert report.passed

# %% [markdown]
# There is a row for each array; "4.W" is the `W` of layer 4, counted from 0.
#
# - "compared" counts the numbers that were moved; of a large array, 200 are drawn at random. "at
#   kinks" counts those that were left out, because every step that was tried crossed a kink.
# - "error" is the error of the worst single number, relative to its own size (or to a thousandth of
#   the largest gradient, if that is more).
# - "norm-wise" is the length of the difference of the two gradients, relative to the length of the
#   numeric one. A "-" stands where that length is 0 up to rounding. (The biases `b` before batch
#   normalization have the gradient 0, because it subtracts every mean again.)
# - The last word is the result: "ok"; "WRONG", with the two slopes below the table; or "not
#   measurable here", if the slope is so small that rounding hides it.
#
# Dropout and batch normalization differ between training and evaluation, so the checker checks
# both; the line below the table is about evaluation.
#
# Cases 1 and 3 are layers. `check_layer` checks a single layer:

# %%
for layer in (CaseOne(), CaseThree()):
    print(check_layer(layer, rng.normal(size=(4, 5))))
    print()

# %% [markdown]
# Large networks need another way. To move 100,000 parameters one by one takes 200,000 forward
# passes. Instead, move all of them at once along one random direction $d$ of length 1. The slope of
# the loss along $d$ must be the gradient's component along $d$:
#
# $$\frac{L(p + h\,d) - L(p - h\,d)}{2h} \approx \frac{\partial L}{\partial p} \cdot d$$
#
# This takes two passes, whatever the size. It tells you that there is a fault, but not *where*.
# (Its limit is 1e-6: a slope that is small by chance has a larger relative error.)

# %%
large = numpymlp.mlp([784, 128, 10], rng=rng)
x, y = rng.normal(size=(16, 784)), rng.integers(0, 10, size=16)
print(check_gradients(large, numpymlp.SoftmaxCrossEntropy(), x, y, mode="direction"))

# %% [markdown]
# The direction moves 114,314 numbers: the 101,770 parameters and the 16 x 784 = 12,544 inputs.
#
# ## Checks

# %%
x = np.random.default_rng(2).normal(size=(4, 5))
assert network_error(1e-5, np.float64) < 1e-7
assert network_error(1e-5, np.float32) > 1e-3  # useless as a check
assert layer_error(CaseOne(), x) > 0.1
assert layer_error(CaseTwo(), x, seed=3) > 0.1
assert layer_error(CaseThree(), x) > 0.1
assert not check_layer(CaseOne(), x).passed
assert large.parameters.size + 16 * 784 == 114_314
assert np.isclose(
    numpymlp.SoftmaxCrossEntropy().forward(np.zeros((4, 10)), np.arange(4)), np.log(10)
)
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. Move one number by $\pm h$: the change of the loss gives its gradient, without any calculus.
# 2. float64, a step near 1e-5, an error under 1e-7. float32 is for training, not for checking.
# 3. Use a random upstream gradient, the same random numbers in every pass, and living units.
# 4. A network with wrong gradients can still learn. Check the gradient of the whole loss.
# 5. Code without a gradient needs its own test: shuffling, probabilities, optimizers.
#
# ## Exercises
#
# Fill in [tutorials/exercises/07_gradient_checking.py](exercises/07_gradient_checking.py). Then
# `.venv/bin/pytest tutorials/exercises -k 07`, run from the repository's root, tells you what is
# still wrong.
#
# ## Read next
#
# In the package: [numpymlp/gradient_check.py](../numpymlp/gradient_check.py), the checker with all
# its precautions, and [numpymlp/layers.py](../numpymlp/layers.py), whose layers pass it. In the
# course: [08 Optimizers](08_optimizers.ipynb), where gradients become steps.
