# %% [markdown]
# # 10 Against scikit-learn
#
# ## What you will build
#
# Two proofs. First: with the same weights and the same batches, this package and scikit-learn's
# `MLPClassifier` compute the same numbers, to the last digits. Second: for the same work, this
# package takes less time. And then you will see where the time goes, and what makes NumPy code
# fast.
#
# ## What you need
#
# `07_optimizers.py` and `08_train_and_look_inside.py`; scikit-learn (`pip install scikit-learn`).
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $W, b$ | `layer.W`, `layer.b` | (in, out), (out,) | parameters of a layer |
# | | `theirs.coefs_`, `theirs.intercepts_` | lists of these | the same in scikit-learn |
# | $N$ | `len(x)` | | number of samples |

# %%
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import numpymlp
from numpymlp import SGD, Adam, minibatches, mlp
from numpymlp.plots.style import QUIET, RUN_COLOURS, tidy

# %matplotlib inline

# scikit-learn warns that one epoch is not enough to converge. That is on purpose here.
warnings.simplefilter("ignore", ConvergenceWarning)
(x_train, y_train), (x_test, y_test) = numpymlp.load_mnist()

# %% [markdown]
# ## 1. The same weights, the same batches
#
# Speed means nothing before the results are equal. So first we let both libraries take the same 60
# steps. Three things must agree: the first weights, the samples of every step, and the formula.
#
# `MLPClassifier` offers no way to set the first weights. But with `warm_start=True` a second call
# of `fit` keeps the weights that are there and starts its optimizer anew. So: let it make weights,
# put ours in their place, and go on. After that, one call of `partial_fit` with one batch is one
# step.


# %%
def sklearn_with_weights(network, x, y, **settings):
    """An MLPClassifier with the weights of our network, after its first step on the batch x, y."""
    theirs = MLPClassifier(
        (32,), alpha=0, batch_size=len(x), shuffle=False, max_iter=1, warm_start=True, **settings
    )
    theirs.fit(x, y)  # makes weights, all of which are replaced now
    theirs.coefs_ = [layer.W.copy() for layer in (network.layers[0], network.layers[2])]
    theirs.intercepts_ = [layer.b.copy() for layer in (network.layers[0], network.layers[2])]
    return theirs.fit(x, y)


# %% [markdown]
# `alpha=0` switches off scikit-learn's L2 penalty, which is on by default. Both sides compute in
# float64 here, so that rounding is small.
#
# **Predict, then run.** How far are the weights apart after 60 steps: 0.1, 0.000001, or less?


# %%
def follow(optimizer, steps=60, batch=100, **settings):
    """Take the same steps with both; return the largest difference after each."""
    network = mlp([784, 32, 10], rng=np.random.default_rng(0), dtype=np.float64)
    cross_entropy, apart, theirs = numpymlp.SoftmaxCrossEntropy(), [], None
    for start in range(0, steps * batch, batch):
        x = x_train[start : start + batch].astype(np.float64)
        y = y_train[start : start + batch]
        if theirs is None:
            theirs = sklearn_with_weights(network, x, y, **settings)
        else:
            theirs.partial_fit(x, y)
        value = cross_entropy.forward(network.forward(x, training=True), y)
        network.backward(cross_entropy.backward())
        optimizer.step(network.parameters, network.gradients)
        pairs = zip(theirs.coefs_, (network.layers[0].W, network.layers[2].W), strict=True)
        apart.append(max(abs(a - b).max() for a, b in pairs))
        assert np.isclose(value, theirs.loss_, rtol=1e-12)
    return apart, network, theirs


# %%
sgd = {"solver": "sgd", "learning_rate_init": 0.1}
runs = {
    "SGD": (SGD(0.1), {**sgd, "momentum": 0}),
    "momentum": (SGD(0.1, momentum=0.9), {**sgd, "nesterovs_momentum": False}),
    "Nesterov": (SGD(0.1, momentum=0.9, nesterov=True), sgd),
    "Adam": (Adam(1e-3), {"solver": "adam", "learning_rate_init": 1e-3}),
}
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
tidy(axes, "Largest difference of any weight", "step", "difference", grid="y")
differences = {}
for (name, (optimizer, settings)), colour in zip(runs.items(), RUN_COLOURS, strict=False):
    apart, network, theirs = follow(optimizer, **settings)
    axes.semilogy(range(1, 61), apart, color=colour, label=name)
    differences[name] = apart[-1]
axes.set_ylim(1e-17, 1e-13)
axes.legend(fontsize=8, ncols=4)
plt.show()

# %%
print({name: f"{value:.0e}" for name, value in differences.items()})

# %% [markdown]
# The last digit of a float64 number near 1 is worth 2e-16. After 60 steps, all four are apart by a
# few units of that last digit. Nothing but rounding is left: forward pass, loss, backpropagation
# and all four optimizers agree with a library that was written by others. Had one of the formulas
# a fault, the curve would leave this picture at once. The answers agree, too:

# %%
x_check = x_test[:1000].astype(np.float64)
gap = abs(network.predict_proba(x_check) - theirs.predict_proba(x_check)).max()
print(f"probabilities differ by {gap:.0e}")
print("same answers:", (network.predict(x_check) == theirs.predict(x_check)).all())

# %% [markdown]
# In one place they differ on purpose. scikit-learn takes the logarithm of a probability that may
# have become 0; this package computes the logarithm directly from the logits (page 03):

# %%
far = 300 * x_check[:1]
with np.errstate(divide="ignore"):
    print("scikit-learn:", theirs.predict_log_proba(far).round(0)[0])
print("this package:", numpymlp.log_softmax(network.forward(far)).round(0)[0])

# %% [markdown]
# ## 2. The same work, timed
#
# Now speed. A fair comparison takes care of this:
#
# - the same network, batch size, optimizer, number of samples and of threads;
# - the same type of numbers: float32 against float32;
# - the time that the processor works for us (`time.process_time`): while other programs have their
#   turn, the clock stands still;
# - a first run that is not counted, then several rounds *in turn*, so that a busy moment of the
#   machine hits both; of these, the fastest, which was disturbed least;
# - and in the end a *ratio*. Seconds belong to one machine and one moment.
#
# If the matrix products use several threads, the times of all threads are added up, on both sides.
# The notebook beside this page was built with one thread (`OPENBLAS_NUM_THREADS=1`).


# %%
def our_epoch(x, y, sizes, batch_size):
    network = mlp(sizes, rng=np.random.default_rng(0), dtype=x.dtype)
    cross_entropy, optimizer = numpymlp.SoftmaxCrossEntropy(), Adam(1e-3)
    for x_batch, y_batch in minibatches(x, y, batch_size, np.random.default_rng(1)):
        cross_entropy.forward(network.forward(x_batch, training=True), y_batch)
        network.backward(cross_entropy.backward())
        optimizer.step(network.parameters, network.gradients)
    return network


def sklearn_epoch(x, y, sizes, batch_size):
    theirs = MLPClassifier(
        tuple(sizes[1:-1]), alpha=0, batch_size=batch_size, max_iter=1, random_state=0
    )
    return theirs.fit(x, y)


# %%
def fastest(functions, rounds=3):
    """The shortest time of each function, called in turn; the first round does not count."""
    times = np.zeros((rounds + 1, len(functions)))
    for i in range(rounds + 1):
        for j, function in enumerate(functions):
            start = time.process_time()
            function()
            times[i, j] = time.process_time() - start
    return times[1:].min(axis=0)


# %% [markdown]
# **Predict, then run.** Both call the same matrix products, of the same NumPy. How much faster can
# one be?

# %%
x32, y32 = x_train[:9600], y_train[:9600]
x64 = x32.astype(np.float64)


def compare(sizes, batch_size):
    """The times of scikit-learn on float32 and on float64, relative to ours on float32."""
    ours, theirs32, theirs64 = fastest(
        [
            lambda: our_epoch(x32, y32, sizes, batch_size),
            lambda: sklearn_epoch(x32, y32, sizes, batch_size),
            lambda: sklearn_epoch(x64, y32, sizes, batch_size),
        ]
    )
    return theirs32 / ours, theirs64 / ours


print("time of scikit-learn / time of this package    float32   its default, float64")
for sizes, batch_size in (([784, 128, 10], 128), ([784, 128, 10], 32), ([784, 64, 64, 10], 64)):
    ratio32, ratio64 = compare(sizes, batch_size)
    name = f"{'-'.join(map(str, sizes))}, batch {batch_size}"
    print(f"{name:44s} {ratio32:8.1f} {ratio64:16.1f}")

# %% [markdown]
# Numbers above 1: this package is faster. Here it was about twice as fast on float32, and about
# three times as fast as scikit-learn on float64, which is what scikit-learn computes with if you
# hand it float64 data or bytes. Your numbers will differ; run the cell again to see how much.
#
# ## 3. Where the time goes
#
# Let us take a stopwatch to our own loop: one lap for each part of a step.


# %%
class Stopwatch:
    def __init__(self):
        self.spent, self.moment = {}, time.process_time()

    def lap(self, name):
        """Add the time since the last lap to this part."""
        now = time.process_time()
        self.spent[name] = self.spent.get(name, 0.0) + now - self.moment
        self.moment = now


# %%
def one_step(network, cross_entropy, optimizer, data, rows, lap):
    first, relu, last = network.layers
    x, y = data[rows], y32[rows]
    lap("take the batch")
    y1 = first.forward(x)
    lap("first layer forward")
    cross_entropy.forward(last.forward(relu.forward(y1)), y)
    dy = relu.backward(last.backward(cross_entropy.backward()))
    lap("last layer and loss, both ways")
    first.backward_parameters(dy)
    lap("first layer backward")
    optimizer.step(network.parameters, network.gradients)
    lap("Adam")


# %%
def one_pass(batch_size, dtype):
    """Seconds that each part takes over one pass through 9,600 samples."""
    network = mlp([784, 128, 10], rng=np.random.default_rng(0), dtype=dtype)
    parts = network, numpymlp.SoftmaxCrossEntropy(), Adam(1e-3), x32.astype(dtype, copy=False)
    order, watch = np.random.default_rng(1).permutation(9600), Stopwatch()
    for start in range(0, 9600, batch_size):
        one_step(*parts, order[start : start + batch_size], watch.lap)
    return watch.spent


def steady(batch_size, dtype=np.float32):
    """The laps of the fastest of three passes."""
    passes = [one_pass(batch_size, dtype) for _ in range(3)]
    return min(passes, key=lambda spent: sum(spent.values()))


# %% tags=["main"]
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
tidy(axes, "One pass through 9,600 samples, 784-128-10", "share of the time (%)", grid="x")
profiles = {f"batch of {size}": steady(batch_size=size) for size in (32, 128, 512)}
colours = (*RUN_COLOURS[:4], QUIET)
for row, spent in enumerate(profiles.values()):
    left, total = 0.0, sum(spent.values())
    for (part, seconds), colour in zip(spent.items(), colours, strict=True):
        share = 100 * seconds / total
        axes.barh(row, share, left=left, color=colour, label=part if row == 0 else None)
        left += share
axes.set_yticks(range(3), profiles)
figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
plt.show()

# %%
fastest_total = min(sum(spent.values()) for spent in profiles.values())
for name, spent in profiles.items():
    print(f"{name:13s} takes {sum(spent.values()) / fastest_total:.1f} times the fastest", end="")
    print(f"; Adam's share {100 * spent['Adam'] / sum(spent.values()):.0f} %")

# %% [markdown]
# Two things fill the bars. The first layer's matrix products, forward and backward: it has 784 x
# 128 weights, the last layer 128 x 10. And, with small batches, Adam: it must touch every
# parameter in every step, and smaller batches mean more steps. All else is the smaller part,
# although it is most of the code.
#
# How many multiplications does the first layer cost? For each sample and each weight one going
# forward and one for $dW$. It needs no $dx$, because nobody asks for the gradient of the pixels;
# the package skips it. How much is saved by that?

# %%
x, dy = x32[:128], np.ones((128, 128), np.float32)
first = mlp([784, 128, 10], rng=np.random.default_rng(0)).layers[0]
first.forward(x)
times = fastest(
    [
        lambda: [first.backward_parameters(dy) for _ in range(200)],
        lambda: [first.backward(dy) for _ in range(200)],
    ]
)
print(f"first layer's backward with dx: {times[1] / times[0]:.1f} times as long")

# %% [markdown]
# By the count of multiplications it would be twice as long. They are not the whole price: the
# product for `dx` also makes a new array, as large as the batch.
#
# **float32.** Half the bytes for each number, and twice as many numbers in each instruction of the
# processor:

# %%
passes = [sum(steady(batch_size=128, dtype=dtype).values()) for dtype in (np.float64, np.float32)]
print(f"float64 takes {passes[0] / passes[1]:.1f} times as long as float32")

# %% [markdown]
# **In place.** Here is Adam as one would write it: each operator makes a new array. The package's
# Adam comes to the same in place, with one scratch array, in blocks that stay in the processor's
# cache; its `m` and `v` are sums, which times $1 - \beta$ are the means. That factor goes into the
# step size and saves two walks through memory. `WithNumpyRoot` differs from `WithTemporaries` only
# in how it takes the root of a plain number: `np.sqrt(...)` instead of `... ** 0.5`.


# %%
class WithTemporaries:
    m, v, t = 0.0, 0.0, 0

    def rate(self):
        return 1e-3 * (1 - 0.999**self.t) ** 0.5 / (1 - 0.9**self.t)

    def step(self, p, g):
        self.t += 1
        self.m = 0.9 * self.m + (1 - 0.9) * g
        self.v = 0.999 * self.v + (1 - 0.999) * g**2
        p += -self.rate() * self.m / (np.sqrt(self.v) + 1e-8)


class WithNumpyRoot(WithTemporaries):
    def rate(self):
        return 1e-3 * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)


# %% [markdown]
# **Predict, then run.** The parameters and gradients are float32. Which of the three is slowest?

# %%
size = 1_000_000
g = np.random.default_rng(0).normal(size=size).astype(np.float32)
optimizers = [Adam(1e-3), WithTemporaries(), WithNumpyRoot()]
vectors = [np.zeros(size, np.float32) for _ in optimizers]


def ten_steps(optimizer, p):
    return lambda: [optimizer.step(p, g) for _ in range(10)]


times = fastest([ten_steps(*pair) for pair in zip(optimizers, vectors, strict=True)])
for optimizer, p, seconds in zip(optimizers, vectors, times, strict=True):
    apart = abs(p - vectors[0]).max() / abs(p).max()
    print(f"{type(optimizer).__name__:16s} {seconds / times[0]:.1f} times as long, ", end="")
    print(f"relative difference {apart:.0e}")
for optimizer in optimizers[1:]:
    print(f"{type(optimizer).__name__:16s} multiplies in {(optimizer.rate() * g).dtype}")

# %% [markdown]
# Three ways to the same numbers, up to the rounding of float32. The last is the slowest, and here
# is why: `np.sqrt` of a Python number gives a float64 number *of NumPy*, and with one such number
# a whole float32 array becomes float64. A plain Python number does not do that. scikit-learn 1.9
# computes its step size in this way, which is part of the ratio in section 2. Nothing warns you;
# look at the `dtype` of what you compute.
#
# **Predict, then run.** A pixel in the corner is black in almost every digit. The gradient of its
# weights is 0 in every step but one, and from then on Adam's $m$ shrinks by a tenth in every step.
# One array below holds numbers of 1e-20, the other of 1e-40. Both are multiplied by 0.9. Which
# takes longer?

# %%
ordinary = np.full(100_000, 1e-20, np.float32)
tiny = np.full(100_000, 1e-40, np.float32)
times = fastest(
    [lambda: [ordinary * 0.9 for _ in range(50)], lambda: [tiny * 0.9 for _ in range(50)]]
)
print(f"numbers of 1e-40 take {times[1] / times[0]:.0f} times as long")
print(f"the smallest float32, {np.float32(1e-45):.1e}, times 0.9: {np.float32(1e-45) * 0.9:.1e}")

# %% [markdown]
# Below 1e-38 a float32 has no exponent left and gives up digits instead. Such a number is called
# *subnormal*, and most processors leave their fast path for it. It does not even go away: the
# smallest one, times 0.9, is rounded back to itself. With batches of 32, these forgotten weights
# made an epoch half as long again, until the package's optimizers began to set them to 0 every 100
# steps (`clear_tiny` in `numpymlp/vectors.py`).
#
# That is most of what can be gained in NumPy: less memory to walk through, float32 that is not
# turned into float64 unnoticed, no numbers too tiny for the processor, nothing computed that nobody
# needs, nothing done sample by sample in Python. The matrix products themselves belong to the BLAS
# library, and they are the same for everybody.
#
# ## 4. What you get, and what you do not
#
# scikit-learn's `MLPClassifier` fits into its pipelines and searches, and is meant to be simple.
# This package is meant to be read. It also has what that class lacks: dropout, batch
# normalization, schedules for every optimizer, augmentation, a validation set of your own. For
# large networks, for convolutions and for graphics cards, take PyTorch or JAX: what you have
# learned here is what happens inside them.
#
# ## Checks

# %%
assert max(differences.values()) < 1e-12
assert gap < 1e-12
assert np.isfinite(numpymlp.log_softmax(network.forward(far))).all()
assert apart < 1e-3
assert (optimizers[1].rate() * g).dtype == np.float32
assert (optimizers[2].rate() * g).dtype == np.float64
ours = our_epoch(x32, y32, [784, 128, 10], 128).predict(x_test)
theirs = sklearn_epoch(x32, y32, [784, 128, 10], 128).predict(x_test)
print(f"test accuracy after one epoch: ours {(ours == y_test).mean():.3f}", end=", ")
print(f"scikit-learn's {(theirs == y_test).mean():.3f}")
assert (ours == y_test).mean() > 0.88
assert (theirs == y_test).mean() > 0.88
print("all checks passed")

# %% [markdown]
# Speed has no assert: a busy machine would make it fail, and nothing would be wrong.
#
# ## In five lines
#
# 1. Same weights, same batches, same formulas: same numbers, to the last digits of float64.
# 2. Compare speed only after results, in turn, on equal terms, and as a ratio.
# 3. The time goes into the first layer's matrix products and, with small batches, the optimizer.
# 4. float32, work in place, and no gradient that nobody needs: that is where speed comes from.
# 5. A network from scratch is no toy if it is checked: you have now checked this one yourself.
#
# ## Exercises
#
# Fill in `tutorials/exercises/10_against_scikit_learn.py`. Then `pytest tutorials/exercises -k 10`,
# run from the repository's root, tells you what is still wrong.
#
# ## Read next
#
# In the package: `numpymlp/sklearn/`, which offers this network under scikit-learn's names, and
# `numpymlp/vectors.py`, which holds the tricks of section 3. This was the last page. The whole
# engine, `layers.py` to `training.py`, can be read in an evening, and little in it, beyond batch
# normalization and the Trainer's housekeeping, should be new to you.
