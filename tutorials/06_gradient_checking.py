# %% [markdown]
# # 06 Gradient checking: find seven faults that still learned
#
# ## What you will build
#
# A gradient checker in a dozen lines: a test for every `backward` that you will ever write. Then
# you will hunt with it. Seven faults lie on this page, each from code that was published and widely
# read. Networks trained with them, and learned. Your checker finds five; for the last two you will
# see why it cannot, and what can.
#
# ## What you need
#
# `05_layers_as_classes.py`: layers with `forward` and `backward`, and a network of them.
# `03_softmax.py`: softmax and cross-entropy.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $L$ | `loss`, `value` | number | the loss |
# | $p$ | `p` | any | numbers that the loss depends on: parameters or an input |
# | $h$ | `h` | number | how far one number of $p$ is moved |
# | $x, y$ | `x`, `y` | (N, in), (N, out) | a layer's input and output |
# | $\partial L/\partial x$ | `dx` | as `x` | the gradient that leaves a layer |
# | $\partial L/\partial y$ | `dy` | as `y` | the gradient that arrives at it |
# | $z$ | `logits` | (N, K) | a network's output before softmax, as on page 03 |
# | $t$ | `t` | (N, K) | the right answers as rows, one-hot, as on page 03 |

# %%
import matplotlib.pyplot as plt
import numpy as np

import numpymlp
from numpymlp.gradient_check import check_gradients, check_layer
from numpymlp.plots.style import RUN_COLOURS, tidy

# %matplotlib inline

# %% [markdown]
# ## 1. The definition is the test
#
# A derivative says how much the loss changes if one number moves a little. So move it, and look:
#
# $$\frac{\partial L}{\partial p_i} \approx \frac{L(p + h\,e_i) - L(p - h\,e_i)}{2h}$$
#
# $e_i$ is 1 at place $i$ and 0 elsewhere. This is a *central difference*. It needs two forward
# passes for each number and no calculus at all, so it cannot share a mistake with your `backward`.
# You know the function from page 04. New is the second one: an error of 0.001 is a lot if the
# gradients are near 0.01, and nothing if they are near 1,000. So the error is measured relative to
# the largest gradient.


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


def error(analytic, numeric):
    """The largest difference, relative to the largest gradient."""
    return abs(analytic - numeric).max() / max(abs(analytic).max(), abs(numeric).max())


# %% [markdown]
# Try it on something that you can differentiate yourself: $L = \sum_i p_i^3$ has the gradient
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
# We take a network with tanh in the place of ReLU, a smooth curve from -1 to 1 without a kink, and
# compare its backpropagation with differences at many steps.


# %%
def network_error(h, dtype):
    rng = np.random.default_rng(0)
    network = numpymlp.mlp([6, 5, 3], "tanh", rng=rng, dtype=dtype)
    x, labels = rng.normal(size=(8, 6)), rng.integers(0, 3, size=8)
    cross_entropy = numpymlp.SoftmaxCrossEntropy()

    def loss():
        return cross_entropy.forward(network.forward(x), labels)

    loss()
    network.backward(cross_entropy.backward())
    return error(network.gradients, numeric_gradient(loss, network.parameters, h))


# %% tags=["main"]
steps = 10.0 ** np.arange(-12, 0)
figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
tidy(axes, "Error of the difference, on correct code", "step h", "relative error", grid="y")
for dtype, colour in ((np.float32, RUN_COLOURS[1]), (np.float64, RUN_COLOURS[0])):
    errors = [network_error(h, dtype) for h in steps]
    axes.loglog(steps, errors, "o-", color=colour, label=np.dtype(dtype).name)
axes.axhline(1e-7, color="black", linestyle=":", label="limit of the check, 1e-7")
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# Read the blue curve from the right. The difference is a straight line through two points of a
# curve; its error shrinks with $h^2$, a hundredfold for every tenth of $h$. But below 1e-5 the
# error rises again. The two losses then agree in almost all their digits, and what is left after
# the subtraction is rounding, divided by a tiny $h$. The best step lies between, near 1e-5.
#
# The orange curve gets no lower than 3e-5, and at a step of 1e-5 it is more than one percent off.
# float32 has seven digits, and a difference of two close numbers keeps few of them. So: **float64,
# a step near 1e-5, and an error under 1e-7.** We train in float32 and check in float64.
#
# ## 3. A bench for one layer
#
# A layer has no loss. Give it one: choose fixed random numbers `dy`, and let $L = \sum dy \cdot y$.
# Then $\partial L / \partial y$ is exactly `dy`, what would arrive from above in a real network,
# and `backward(dy)` must return $\partial L / \partial x$. `training=True` tells a layer that this
# is no test; most layers behave the same in both.


# %%
def layer_error(layer, x, seed=None):
    """The error of a layer's dx, for a random gradient from above."""
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
# Those three are right. (Sigmoid is a smooth curve too, from 0 to 1.) But mind what the bench
# compares: `dx` alone. A layer that learns needs the same for each of its parameters,
# `numeric_gradient(loss, layer.W)` against `layer.dW`; case 5 and section 12 do it. (`seed` is for
# layers that draw random numbers; it comes in section 5.)
#
# From here on it is your turn. **Read each case first and try to see the fault. Then run the
# check. The answer stands below it.**
#
# ## 4. Case 1: a rectifier from a well-known tutorial


# %%
class CaseOne:
    def forward(self, x, training=False):
        self.y = np.maximum(x, 0)
        return self.y

    def backward(self, dy):
        return dy * (self.y >= 0)


print(f"error {layer_error(CaseOne(), x):.2f}")

# %% [markdown]
# An error of 1 means that some gradient is entirely wrong. The derivative of ReLU is 1 where its
# *input* is positive and 0 elsewhere. But `self.y` is the value *after* ReLU, which is never
# negative: `self.y >= 0` is always true, and the layer passes every gradient on, as if it were no
# ReLU at all. One character repairs it: `self.y > 0`.
#
# Does a network with this fault still learn? Find out. (`minibatches` shuffles the samples and cuts
# them into batches, as you did on page 05; `evaluate` gives loss and accuracy.)


# %%
def train(activation, epochs=3):
    (x_train, y_train), (x_test, y_test) = numpymlp.load_mnist()
    rng, cross_entropy = np.random.default_rng(0), numpymlp.SoftmaxCrossEntropy()
    layers = [numpymlp.Dense(784, 64), activation(), numpymlp.Dense(64, 64), activation()]
    network = numpymlp.Network([*layers, numpymlp.Dense(64, 10)], rng=rng)
    for _ in range(epochs):
        for x, labels in numpymlp.minibatches(x_train[:10000], y_train[:10000], 50, rng):
            cross_entropy.forward(network.forward(x, training=True), labels)
            network.backward(cross_entropy.backward())
            network.parameters -= 0.1 * network.gradients
    return numpymlp.evaluate(network, cross_entropy, x_test, y_test).accuracy


for activation in (CaseOne, numpymlp.ReLU):
    print(f"{activation.__name__:8s} test accuracy {100 * train(activation):.1f} %")

# %% [markdown]
# It learns, a point or two worse, and who would know how good it ought to be? Accuracy does not
# find wrong gradients. A direction that is roughly right gets far, and so the fault stays, and
# costs a little in every experiment that is built on it.
#
# ## 5. Case 2: dropout
#
# A *unit* is one output of a layer. Dropout sets a random share of the units to zero while
# training, so that no unit relies on another (page 09 uses it). What is left is divided by
# `1 - rate`, which keeps the sum about the same. This one comes from the same tutorial.


# %%
class CaseTwo:
    rate, rng = 0.5, np.random.default_rng(0)

    def forward(self, x, training=False):
        self.alive = self.rng.random(x.shape) >= self.rate if training else np.ones(x.shape)
        return x * self.alive / (1 - self.rate) if training else x

    def backward(self, dy):
        return dy * self.alive


print(f"error {layer_error(CaseTwo(), x):.1e}")

# %% [markdown]
# An error of about 1. But stop: this number says nothing yet. Each forward pass draws other units,
# so the two losses of one difference belong to two different functions. The right `Dropout` of the
# package would fail as badly. **Start the random numbers anew before each pass**, then every pass
# drops the same units.

# %%
print(f"case 2, same units each time            error {layer_error(CaseTwo(), x, seed=3):.2f}")
right = layer_error(numpymlp.Dropout(0.5), x, seed=3)
print(f"the package's dropout, same units       error {right:.1e}")
assert right < 1e-7

# %% [markdown]
# Now 0.50 means something: every gradient is half of what it should be. `forward` multiplies by
# `alive / (1 - rate)`, so `backward` must multiply by the same. With this fault, the layers below
# a dropout learn with half the learning rate of those above.
#
# ## 6. Case 3: softmax as a layer
#
# Two well-known teaching libraries have a softmax layer, and a test of it. Here the fault is in the
# test: it lets the layer below pass. Take one row, with $p$ its probabilities. If $x_j$ grows,
# $p_j$ grows and all others give way:
#
# $$\frac{\partial p_k}{\partial x_j} = p_k\,([k = j] - p_j), \qquad
# \frac{\partial L}{\partial x_j} = \sum_k dy_k\, \frac{\partial p_k}{\partial x_j}
# = p_j\,\Big(dy_j - \sum_k dy_k\, p_k\Big)$$
#
# $[k = j]$ is 1 if $k$ is $j$, and else 0. (The first formula is the derivative of
# $e^{x_k} / \sum_i e^{x_i}$; the second is page 04's sum over all ways.)


# %%
class CaseThree:
    def forward(self, x, training=False):
        self.p = numpymlp.softmax(x)
        return self.p

    def backward(self, dy):
        return dy - (dy * self.p).sum(axis=1, keepdims=True)


# %% [markdown]
# You may have seen it: the factor $p_j$ in front is missing. The test takes the sum of all outputs
# as the loss, which means: `dy` is 1 everywhere.
#
# **Predict, then run.** Does the test with ones find the fault? Look at what `backward` returns.

# %%
ones = np.ones((4, 5))
layer = CaseThree()
layer.forward(x)
print("with ones, largest |dx| by backward:     ", f"{abs(layer.backward(ones)).max():.1e}")
numeric = numeric_gradient(lambda: layer.forward(x).sum(), x)
print("with ones, largest |dx| by differences:  ", f"{abs(numeric).max():.1e}")
print("with random numbers, error:              ", f"{layer_error(CaseThree(), x):.2f}")

# %% [markdown]
# With ones, both gradients are 0, up to rounding, and the test is content. The probabilities of a
# row always sum to 1: their sum does not depend on `x`, and its gradient is 0 whatever factor is
# missing. A random `dy` has no such blind spot. **Check with a random gradient from above.**
#
# ## 7. Case 4: a cross-entropy
#
# From a popular collection of algorithms written from scratch: the loss that its classifiers
# minimise, after a softmax. `t` is one-hot: 1 for the right class, 0 for the others.


# %%
class CaseFour:
    def forward(self, logits, t):
        self.p, self.t = numpymlp.softmax(logits), t
        per_entry = -t * np.log(self.p) - (1 - t) * np.log(1 - self.p)
        return per_entry.sum() / len(t)

    def backward(self):
        return (self.p - self.t) / len(self.t)


# %% [markdown]
# First a check that needs no gradient. If all ten logits are equal, the loss must be
# $\ln 10 = 2.303$. Then the gradient.

# %%
loss, t = CaseFour(), np.eye(10)[[3, 1, 4, 1]]
print(f"loss at equal logits {loss.forward(np.zeros((4, 10)), t):.3f}, ln 10 is {np.log(10):.3f}")
logits = np.random.default_rng(4).normal(size=(4, 10))
numeric = numeric_gradient(lambda: loss.forward(logits, t), logits)
print(f"error {error(loss.backward(), numeric):.2f}")

# %% [markdown]
# Both fail. The formula in `forward` is the *binary* cross-entropy, made for independent yes-or-no
# questions. Summed over softmax outputs it counts the wrong classes too. `backward` returns
# $p - t$, the gradient of the right loss. So this network learns as it should, but every loss that
# it prints, and every curve drawn from it, belongs to another function. A check compares the two
# halves; it says that they disagree, and not which one is wrong.
#
# ## 8. Case 5: an L1 penalty
#
# From a popular extensions library. An *L1 penalty*, `strength` $\cdot \sum |W|$, makes every
# weight cost something, and so shall push weights to zero. It is added to the loss, and the loss
# goes into the history. Do you see what is missing?


# %%
class CaseFive:
    strength = 0.01

    def __init__(self):
        rng = np.random.default_rng(5)
        self.dense = numpymlp.Dense(5, 3, rng=rng)
        self.cross_entropy = numpymlp.SoftmaxCrossEntropy()

    def forward(self, x, labels):
        value = self.cross_entropy.forward(self.dense.forward(x), labels)
        return value + self.strength * abs(self.dense.W).sum()

    def backward(self):
        self.dense.backward(self.cross_entropy.backward())
        return self.dense.dW


# %%
model, labels = CaseFive(), np.array([0, 2, 1, 1])
numeric = numeric_gradient(lambda: model.forward(x, labels), model.dense.W)
model.forward(x, labels)
print(f"error of dW {error(model.backward(), numeric):.3f}")
print("difference / strength:")
print(((numeric - model.backward()) / model.strength).round(3))

# %% [markdown]
# The error is small, but a hundred thousand times the limit. Look at what is missing: exactly the
# sign of each weight, times the strength. The penalty changes the loss and not the gradient, so it
# changes no weight at all. Users could set it to any value; the only effect was on the printed
# loss.
#
# This also shows why the limit is 1e-7 and not "a few percent": with a small strength, an error of
# one percent is all that you would ever see of a missing term. **Check the whole loss, with
# everything that is added to it, against a strict limit.**
#
# ## 9. Case 6: probabilities
#
# The same library. `decide` puts out logits, `predict_proba` shall give probabilities. There is no
# gradient here. Is it right?


# %%
def decide(x):
    return numpymlp.softmax(x @ np.diag([6.0, 5.0, 4.0, 3.0, 2.0]))  # "logits"


def case_six(x):
    return numpymlp.softmax(decide(x))


print("probabilities:", case_six(np.eye(5)[:1]).round(3)[0], " sum:", case_six(x)[0].sum().round(6))
print("same answers: ", (case_six(x).argmax(axis=1) == decide(x).argmax(axis=1)).all())

# %% [markdown]
# They are positive and sum to 1, and the predicted class is right. Only: `decide` has already
# applied softmax. A network that is 99 % sure is shown as 40 % sure.
#
# No gradient check can see it, because training uses no `predict_proba`. What can? Softmax has a
# property to test: $\log p_i - \log p_j$ must be the difference of the logits, $z_i - z_j$.

# %%
z = x @ np.diag([6.0, 5.0, 4.0, 3.0, 2.0])
for name, q in (("once", numpymlp.softmax(z)), ("twice", case_six(x))):
    gap = np.log(q[:, 0]) - np.log(q[:, 1]) - (z[:, 0] - z[:, 1])
    print(f"softmax {name:5s} largest deviation {abs(gap).max():.1e}")

# %% [markdown]
# ## 10. Case 7: shuffling
#
# A small, much-liked library shuffles before every epoch, as it should. Twelve samples, batches of
# four:


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
# The order of the batches changes, but the batches do not: samples 0, 1, 2 and 3 always come
# together. The starts are shuffled, not the samples. If the data is sorted by class, every batch
# then holds one class only, in every epoch. All gradients are right, for the wrong batches.
#
# The test: two epochs must differ in who meets whom, and each must hold every sample once.


# %%
def meetings(batches):
    batches = [np.sort(batch) for batch in batches]
    assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(12))  # every sample once
    return {tuple(batch.tolist()) for batch in batches}


def package_batches(x, batch_size, rng):
    return (batch for batch, _ in numpymlp.minibatches(x, x, batch_size, rng))


rng = np.random.default_rng(6)
for shuffle in (case_seven, package_batches):
    first, second = (meetings(shuffle(np.arange(12), 4, rng)) for _ in range(2))
    print(f"{shuffle.__name__:16s} other batches in the second epoch: {first != second}")

# %% [markdown]
# Page 07 has two more faults of this kind, in an optimizer.
#
# ## 11. What can fool a check
#
# A check must be able to fail, and must not fail on right code. Two traps are left.
#
# **The kink.** ReLU has no derivative at 0. If a step of $h$ carries a unit across 0, the
# difference is a mixture of both slopes. Here is a correct ReLU with an input of 0.000003:

# %%
near = np.array([[3e-6, 1.0, -1.0]])
print(f"at 3e-6: error {layer_error(numpymlp.ReLU(), near):.2f}")
print(f"at 3e-2: error {layer_error(numpymlp.ReLU(), near + 0.03):.1e}")

# %% [markdown]
# **The dead.** Where a unit is 0 for every sample, every gradient is 0, right or wrong. Here is a
# faulty ReLU twice, with living and with dead units. (`x - 10` is negative everywhere.) `error`
# would divide 0 by 0 there, so we look at the plain difference.


# %%
class AlwaysZero(numpymlp.ReLU):
    def backward(self, dy):
        return np.zeros_like(dy)


def disagreement(layer, x):
    numeric = numeric_gradient(lambda: layer.forward(x).sum(), x)
    return abs(layer.backward(np.ones_like(x)) - numeric).max()


print("alive: largest disagreement", disagreement(AlwaysZero(), x.copy()).round(6))
print("dead:  largest disagreement", disagreement(AlwaysZero(), x - 10).round(6))

# %% [markdown]
# With dead units a `backward` that returns nothing but zeros passes. So: random inputs, biases
# that are not zero, points away from kinks, most units alive.
#
# ## 12. The package's checker
#
# `numpymlp.gradient_check` is your checker with these precautions built in: it copies the network
# to float64, starts random numbers anew, recognises kinks, counts dead units, and checks every
# parameter and the input. Here it checks a network with all that the package has to offer, also
# *batch normalization*, a layer that this course does not build: over a batch it brings every
# feature, one column of its input, to mean 0 and variance 1 (the mean of the squares), and its
# backward is the hardest of all to get right.

# %%
rng = np.random.default_rng(7)
network = numpymlp.mlp([20, 10, 10, 5], batch_norm=True, dropout=0.2, rng=rng)
x, labels = rng.normal(size=(16, 20)), rng.integers(0, 5, size=16)
report = check_gradients(network, numpymlp.SoftmaxCrossEntropy(), x, labels)
print(report)
assert report.passed

# %% [markdown]
# A row for each array, "4.W" being the `W` of layer 4. "compared" counts the numbers that were
# moved: of arrays with more than 200, it draws 200 at random. "at kinks" counts those left out.
# "error" is that of the worst single number, relative to its own size (or to a thousandth of the
# largest gradient, if that is more); "norm-wise" is the length of the difference of the two arrays,
# relative to the length of one. A "-" stands where that length is 0 but for rounding. (The two
# biases `b` in front of batch normalization have the gradient 0: it takes every mean off again.)
#
# And the cases 1 and 3, which are layers and need no base class:

# %%
for layer in (CaseOne(), CaseThree()):
    print(check_layer(layer, rng.normal(size=(4, 5))))
    print()

# %% [markdown]
# One more idea, for large networks. To move 100,000 parameters one by one takes 200,000 forward
# passes. Instead, move all at once along one random direction $d$ of length 1. The slope of the
# loss along $d$ must be the gradient's share in it:
#
# $$\frac{L(p + h\,d) - L(p - h\,d)}{2h} \approx \frac{\partial L}{\partial p} \cdot d$$
#
# Two passes, whatever the size. It does not say *where* a fault is, but that there is one. (Its
# limit is 1e-6: a single slope can be small by chance, and then its relative error is larger.)

# %%
large = numpymlp.mlp([784, 128, 10], rng=rng)
x, labels = rng.normal(size=(16, 784)), rng.integers(0, 10, size=16)
print(check_gradients(large, numpymlp.SoftmaxCrossEntropy(), x, labels, mode="direction"))

# %% [markdown]
# ## Checks

# %%
x = np.random.default_rng(2).normal(size=(4, 5))
assert network_error(1e-5, np.float64) < 1e-7
assert network_error(1e-5, np.float32) > 1e-3  # of no use
assert layer_error(CaseOne(), x) > 0.1
assert layer_error(CaseTwo(), x, seed=3) > 0.1
assert layer_error(CaseThree(), x) > 0.1
assert not check_layer(CaseOne(), x).passed
assert np.isclose(
    numpymlp.SoftmaxCrossEntropy().forward(np.zeros((4, 10)), np.arange(4)), np.log(10)
)
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. Move one number by $\pm h$: the change of the loss is its gradient, without any calculus.
# 2. float64, a step near 1e-5, an error under 1e-7. float32 is for training, not for checking.
# 3. Use a random gradient from above, the same random numbers in every pass, living units.
# 4. Wrong gradients learn. Only a check finds them, and it must cover the whole loss.
# 5. What is no gradient needs a test of its own: shuffling, probabilities, optimizers.
#
# ## Exercises
#
# Fill in `tutorials/exercises/06_gradient_checking.py`. Then `pytest tutorials/exercises -k 06`,
# run from the repository's root, tells you what is still wrong.
#
# ## Read next
#
# In the package: `numpymlp/gradient_check.py`, the checker with all its precautions, and
# `numpymlp/layers.py`, which passes it. In the course: `07_optimizers.py`, where gradients become
# steps.
