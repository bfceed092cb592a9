# %% [markdown]
# # 11 Against scikit-learn
#
# ## What you will build
#
# Two comparisons. First: with the same weights and the same batches, this package and
# scikit-learn's `MLPClassifier` compute the same numbers, to the last digits. Second: for the same
# work, how much time does each take? Then you measure where the time goes, see what makes NumPy
# code fast, and split one network between two processes.
#
# ## What you need
#
# [08 Optimizers](08_optimizers.ipynb),
# [09 Train on MNIST and look inside](09_train_and_look_inside.ipynb), and scikit-learn, which comes
# with `.venv/bin/pip install --quiet -e ".[tutorials]"`.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $W, b$ | `layer.W`, `layer.b` | (in, out), (out,) | parameters of a layer |
# | | `theirs.coefs_`, `theirs.intercepts_` | lists of these | the same in scikit-learn |
# | $p, g$ | `p`, `g` | (P,) | all parameters and their gradient, as on page 08 |
# | $N$ | `len(x)` | | number of samples |

# %%
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import numpy as np
from drawing import you_are_here
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import numpymlp
from numpymlp import SGD, Adam, minibatches, mlp, parallel
from numpymlp.plots.style import QUIET, RUN_COLOURS, tidy

# %matplotlib inline

# scikit-learn warns that one epoch is not enough to converge. That is on purpose here.
warnings.simplefilter("ignore", ConvergenceWarning)
(x_train, y_train), (x_test, y_test) = numpymlp.load_mnist()

# %% tags=["hide-input"]
you_are_here("the same numbers in another library, and in two processes", 1, 2, 3)

# %% [markdown]
# ## 1. The same weights, the same batches
#
# A comparison of speed is fair only if the results are equal. So first we let both libraries take
# the same 60 steps. Three things must agree: the first weights, the samples of every step, and the
# formula.
#
# `MLPClassifier` offers no way to set the first weights. But with `warm_start=True`, a second call
# of `fit` keeps the present weights and resets its optimizer. So we let it draw weights, replace
# them with ours, and continue. After that, one call of `partial_fit` with one batch is one step.


# %%
def sklearn_with_weights(network, x, y, **settings):
    """Return an MLPClassifier with our network's weights, after its first step on x, y."""
    theirs = MLPClassifier(
        (32,), alpha=0, batch_size=len(x), shuffle=False, max_iter=1, warm_start=True, **settings
    )
    theirs.fit(x, y)  # draws weights; the next two lines replace all of them
    theirs.coefs_ = [layer.W.copy() for layer in (network.layers[0], network.layers[2])]
    theirs.intercepts_ = [layer.b.copy() for layer in (network.layers[0], network.layers[2])]
    return theirs.fit(x, y)


# %% [markdown]
# `alpha=0` switches off scikit-learn's L2 penalty, which is on by default. Both sides compute in
# float64 here, so that rounding is small.
#
# **Predict, then run.** How much do the weights differ after 60 steps: by 0.1, by 0.000001, or by
# less?


# %%
def follow(optimizer, steps=60, batch=100, **settings):
    """Take the same steps with both; return the largest differences and both models."""
    network = mlp([784, 32, 10], rng=np.random.default_rng(0), dtype=np.float64)
    cross_entropy, gaps, theirs = numpymlp.SoftmaxCrossEntropy(), [], None
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
        gaps.append(max(abs(a - b).max() for a, b in pairs))
        assert np.isclose(value, theirs.loss_, rtol=1e-12)
    return gaps, network, theirs


# %% tags=["hide-output"]
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
    gaps, network, theirs = follow(optimizer, **settings)
    axes.semilogy(range(1, 61), gaps, color=colour, label=name)
    differences[name] = gaps[-1]
axes.set_ylim(1e-17, 1e-13)
axes.legend(fontsize=8, ncols=4)
plt.show()

# %% tags=["hide-output"]
print({name: f"{value:.0e}" for name, value in differences.items()})

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# The last digit of a float64 number near 1 is worth 2e-16. After 60 steps, the weights differ by a
# few units of that last digit, with all four optimizers.
#
# </details>
#
# Only rounding is left: forward pass, loss, backpropagation and all four optimizers agree with a
# library written by others. If one of the formulas were wrong, its curve would leave this picture
# at once. The predictions agree too:

# %%
x_check = x_test[:1000].astype(np.float64)
gap = abs(network.predict_proba(x_check) - theirs.predict_proba(x_check)).max()
print(f"probabilities differ by {gap:.0e}")
print("same answers:", (network.predict(x_check) == theirs.predict(x_check)).all())

# %% [markdown]
# In one place they differ on purpose. scikit-learn takes the logarithm of a probability, which may
# have been rounded to 0. This package computes the logarithm directly from the logits (page 03):

# %%
far = 300 * x_check[:1]
with np.errstate(divide="ignore"):
    print("scikit-learn:", theirs.predict_log_proba(far).round(0)[0])
print("this package:", numpymlp.log_softmax(network.forward(far)).round(0)[0])

# %% [markdown]
# ## 2. The same work, timed
#
# Now speed. A fair comparison has:
#
# - the same network, batch size, optimizer, number of samples and of threads;
# - the same type of numbers: float32 against float32;
# - the processor time of this program (`time.process_time`), which excludes the time in which the
#   processor runs other programs;
# - a first run that does not count, then several rounds *in turn*, so that a busy moment of the
#   machine affects both; the fastest round counts, because it was disturbed least;
# - and as the result a *ratio*. Seconds depend on the machine and the moment.
#
# If the matrix products use several threads, the times of all threads are added up, on both sides.
# The notebook of this page was built with one thread (`OPENBLAS_NUM_THREADS=1`).


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
    """Return the shortest time of each function, called in turn; the first round is ignored."""
    times = np.zeros((rounds + 1, len(functions)))
    for i in range(rounds + 1):
        for j, function in enumerate(functions):
            start = time.process_time()
            function()
            times[i, j] = time.process_time() - start
    return times[1:].min(axis=0)


# %% [markdown]
# **Predict, then run.** Both libraries call the same matrix products of the same NumPy. How much
# faster can one of them be?

# %% tags=["hide-output"]
x32, y32 = x_train[:9600], y_train[:9600]
x64 = x32.astype(np.float64)


def compare(sizes, batch_size):
    """Return the times of scikit-learn on float32 and float64, relative to ours on float32."""
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
# <details><summary><b>Answer</b></summary>
#
# A number above 1 means that this package is faster. It was roughly twice as fast as scikit-learn
# on float32, and about three times as fast as scikit-learn on float64, which is what scikit-learn
# computes with if you pass float64 data or bytes.
#
# </details>
#
# Your numbers will differ; run the cell again to see how much.
#
# ## 3. Where the time goes
#
# Let us time our own loop with a stopwatch: one lap for each part of a step.


# %%
class Stopwatch:
    def __init__(self):
        self.spent, self.moment = {}, time.process_time()

    def lap(self, name):
        """Add the time since the last lap to the time of this part."""
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
    first.backward(dy, input_gradient=False)
    lap("first layer backward")
    optimizer.step(network.parameters, network.gradients)
    lap("Adam")


# %%
def one_pass(batch_size, dtype):
    """Return the seconds that each part takes in one pass through 9,600 samples."""
    network = mlp([784, 128, 10], rng=np.random.default_rng(0), dtype=dtype)
    parts = network, numpymlp.SoftmaxCrossEntropy(), Adam(1e-3), x32.astype(dtype, copy=False)
    order, watch = np.random.default_rng(1).permutation(9600), Stopwatch()
    for start in range(0, 9600, batch_size):
        one_step(*parts, order[start : start + batch_size], watch.lap)
    return watch.spent


def fastest_pass(batch_size, dtype=np.float32):
    """Return the seconds of each part, of the fastest of three passes."""
    passes = [one_pass(batch_size, dtype) for _ in range(3)]
    return min(passes, key=lambda spent: sum(spent.values()))


# %% tags=["main"]
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
tidy(axes, "One pass through 9,600 samples, 784-128-10", "share of the time (%)", grid="x")
profiles = {f"batch of {size}": fastest_pass(batch_size=size) for size in (32, 128, 512)}
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
# Two parts take most of the time. One is the first layer's matrix products, forward and backward:
# it has 784 x 128 weights, the last layer only 128 x 10. The other, with small batches, is Adam: it
# changes every parameter in every step, and smaller batches mean more steps. Everything else takes
# less time.
#
# How many multiplications does the first layer cost? For each sample and each weight, one in the
# forward pass and one for $dW$. It needs no $dx$, because nobody uses the gradient of the pixels;
# the package skips it (`input_gradient=False`). How much time does that save?

# %%
x, dy = x32[:128], np.ones((128, 128), np.float32)
first = mlp([784, 128, 10], rng=np.random.default_rng(0)).layers[0]
first.forward(x)
times = fastest(
    [
        lambda: [first.backward(dy, input_gradient=False) for _ in range(200)],
        lambda: [first.backward(dy) for _ in range(200)],
    ]
)
print(f"first layer's backward with dx: {times[1] / times[0]:.1f} times as long")

# %% [markdown]
# By the count of multiplications, backward with `dx` should take twice as long. But multiplications
# are not the whole cost: the product for `dx` also allocates a new array, as large as the batch.
#
# **float32.** Each number takes half the bytes, and one instruction of the processor handles twice
# as many numbers:

# %%
passes = [sum(fastest_pass(128, dtype).values()) for dtype in (np.float64, np.float32)]
print(f"float64 takes {passes[0] / passes[1]:.1f} times as long as float32")

# %% [markdown]
# **In place.** Here is Adam as one would write it: each operator makes a new array. The package's
# Adam computes the same in place, with one scratch array, in blocks that fit into the processor's
# own fast memory. `WithNumpyRoot` differs from `WithTemporaries` only in how it takes the root of a
# plain number: `np.sqrt(...)` instead of `... ** 0.5`.


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

# %% tags=["hide-output"]
size = 1_000_000
g = np.random.default_rng(0).normal(size=size).astype(np.float32)
optimizers = [Adam(1e-3), WithTemporaries(), WithNumpyRoot()]
vectors = [np.zeros(size, np.float32) for _ in optimizers]


def ten_steps(optimizer, p):
    return lambda: [optimizer.step(p, g) for _ in range(10)]


times = fastest([ten_steps(*pair) for pair in zip(optimizers, vectors, strict=True)])
for optimizer, p, seconds in zip(optimizers, vectors, times, strict=True):
    gap32 = abs(p - vectors[0]).max() / abs(p).max()
    print(f"{type(optimizer).__name__:16s} {seconds / times[0]:.1f} times as long, ", end="")
    print(f"relative difference {gap32:.0e}")
for optimizer in optimizers[1:]:
    print(f"{type(optimizer).__name__:16s} multiplies in {(optimizer.rate() * g).dtype}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# `WithNumpyRoot`, unless something else disturbed your machine. All three compute the same numbers,
# up to the rounding of float32, but the last lines show what differs: `np.sqrt` of a Python number
# returns *NumPy's* float64, and multiplying a float32 array by it makes the whole result float64. A
# plain Python number does not do that.
#
# </details>
#
# scikit-learn 1.9 computes its step size in this way, which is part of the ratio in section 2.
# Nothing warns you; look at the `dtype` of what you compute.
#
# **Predict, then run.** A pixel in the corner is blank paper in almost every digit. Suppose that
# the gradient of its weights is 0 in every step but one. From then on, Adam's $m$ shrinks by a
# tenth in every step. One array below holds numbers of 1e-20, the other of 1e-40. Both are
# multiplied by 0.9. Which takes longer?

# %% tags=["hide-output"]
ordinary = np.full(100_000, 1e-20, np.float32)
tiny = np.full(100_000, 1e-40, np.float32)
times = fastest(
    [lambda: [ordinary * 0.9 for _ in range(50)], lambda: [tiny * 0.9 for _ in range(50)]]
)
print(f"numbers of 1e-40 take {times[1] / times[0]:.0f} times as long")
print(f"the smallest float32, {np.float32(1e-45):.1e}, times 0.9: {np.float32(1e-45) * 0.9:.1e}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# It depends on your processor; the first line that the cell prints is about yours. This page was
# run on one machine where the tiny numbers took ten times as long, and on another (an AMD Zen 3)
# where they took no longer than others.
#
# </details>
#
# Below 1e-38 a float32 number already has the smallest exponent, and it loses digits as it gets
# smaller. Such a number is called *subnormal*. It does not vanish either: the smallest one, times
# 0.9, is rounded back to itself. On the first machine, with batches of 32, the weights of blank
# pixels made an epoch 50 % longer, until the package's optimizers began to set such numbers to 0
# every 100 steps (`clear_tiny` in `numpymlp/optimizers.py`).
#
# These are most of the possible gains in NumPy: fewer passes through memory, no accidental float64,
# no subnormal numbers, nothing computed that nobody uses, no Python loop over samples. The matrix
# products themselves are done by BLAS, the library that NumPy calls for them, and they are the same
# for everybody.
#
# ## 4. One network in two processes
#
# One more gain: let two processors work on the same step. Who does what? The obvious split gives
# each of two workers half of the *samples*. Then both have the whole network, and after every step
# they must add up their gradients: one number for each parameter. This package splits the *units*
# (`parallel.py`). By hand, with two inputs, four hidden units, two classes, and two units for each
# worker:

# %%
x, y = np.array([[1.0, 2.0]]), np.array([0])
W1 = np.array([[1.0, -1.0, 0.5, 0.0], [0.0, 1.0, -0.5, 1.0]])
b1 = np.array([0.0, 0.5, 0.0, -1.0])
W2 = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 2.0]])
b2 = np.array([0.5, 0.0])
units = [slice(0, 2), slice(2, 4)]  # of worker 0 and of worker 1

shares = []
for rank, mine in enumerate(units):
    z1 = x @ W1[:, mine] + b1[mine]  # columns of W1: the weights of my units
    hidden = np.maximum(z1, 0)
    shares.append(hidden @ W2[mine])  # rows of W2: what my units add to each logit
    print(f"worker {rank}: hidden {hidden[0]}, its share of the logits {shares[-1][0]}")
logits = shares[0] + shares[1] + b2  # the only message of the step
whole = np.maximum(x @ W1 + b1, 0) @ W2 + b2
print(f"sum + b2: {logits[0]}, the whole network: {whole[0]}")

# %% [markdown]
# Check a line on paper: worker 1 has the units 2 and 3, with $z_1 = (-0.5, 1)$, so `hidden` is
# (0, 1), and its share is the last row of $W_2$. A logit is a sum over all hidden units,
# $z = \sum_i u_i W_{2,i} + b_2$ with $u$ for `hidden`, and a sum may be computed in parts.
#
# **Predict, then run.** And backward? Each worker knows `dlogits` now. What does it need from the
# other to compute the gradients of its own weights?

# %% tags=["hide-output"]
cross_entropy = numpymlp.SoftmaxCrossEntropy()
cross_entropy.forward(logits, y)
dlogits = cross_entropy.backward()  # both workers compute the same
parts = []
for mine in units:
    z1 = x @ W1[:, mine] + b1[mine]  # kept from the forward pass
    dz1 = (dlogits @ W2[mine].T) * (z1 > 0)
    parts.append((x.T @ dz1, np.maximum(z1, 0).T @ dlogits))

z1 = x @ W1 + b1  # the whole network, for comparison
dz1 = (dlogits @ W2.T) * (z1 > 0)
dW1, dW2 = x.T @ dz1, np.maximum(z1, 0).T @ dlogits
print("dW1\n", dW1.round(4), "\ndW1 of worker 0\n", parts[0][0].round(4))
split_gap = abs(np.concatenate([part[0] for part in parts], axis=1) - dW1).max()
split_gap = max(split_gap, abs(np.concatenate([part[1] for part in parts]) - dW2).max())
print(f"largest difference of all parts from the whole: {split_gap:.0e}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Nothing. The gradients of a unit's weights depend on its own values and on `dlogits`.
#
# </details>
#
# The optimizer needs nothing either: each worker takes the step of its own weights (and both take
# the same step of $b_2$). So a step sends $N \cdot K$ numbers instead of one for each parameter:
# with 784-800-10 and batches of 128, 1,280 numbers instead of 636,010. (This split is that of
# Megatron-LM: Shoeybi and others, 2019.)
#
# `numpymlp.parallel.split` makes a worker's part of any such network. Here two threads are the
# workers. `sum` waits for both, adds, and waits again, so that nobody changes an array that the
# other still reads.


# %%
class TwoThreads(parallel.Communicator):
    barrier, boxes = threading.Barrier(2, timeout=60), [None, None]

    def sum(self, a):
        self.boxes[self.rank] = a
        self.barrier.wait()
        total = self.boxes[0] + self.boxes[1]
        self.barrier.wait()
        return total


# %%
def fifty_steps(comm):
    """Take 50 steps with this worker's part; return its outputs for some test images."""
    network = mlp([784, 32, 10], rng=np.random.default_rng(0), dtype=np.float64)
    part, cross_entropy = parallel.split(network, comm), numpymlp.SoftmaxCrossEntropy()
    optimizer = SGD(0.1, momentum=0.9)
    for start in range(0, 5000, 100):
        x = x64[start : start + 100]
        cross_entropy.forward(part.forward(x, training=True), y32[start : start + 100])
        part.backward(cross_entropy.backward())
        optimizer.step(part.parameters, part.gradients)
    return len(part.parameters), part.forward(x_check)


alone = fifty_steps(parallel.Communicator())
with ThreadPoolExecutor(2) as pool:
    workers = list(pool.map(fifty_steps, [TwoThreads(rank, 2) for rank in (0, 1)]))
print("parameters: the whole network", alone[0], " each worker", [w[0] for w in workers])
thread_gap = max(abs(w[1] - alone[1]).max() for w in workers)
print(f"largest difference of the outputs after 50 steps: {thread_gap:.0e}")

# %% [markdown]
# (Threads show that the numbers agree. For speed, `.venv/bin/numpymlp train --workers 2` starts
# processes: only one thread of a process runs Python code at a time.
# [parallel.md](results/parallel.md) has the measured times: wide networks gain, a narrow one with
# small batches loses. Both workers hold $b_2$, so their parts have ten parameters more than the
# whole network.)
#
# ## 5. What each library offers
#
# scikit-learn's `MLPClassifier` fits into its pipelines and searches, and is meant to be simple.
# This package is meant to be read. It also has what that class lacks: dropout, batch
# normalization, schedules for every optimizer, augmentation, a validation set of your choice. For
# large networks and for graphics cards, take PyTorch or JAX: they compute what
# you have learned here.
#
# ## Checks

# %%
assert max(differences.values()) < 1e-12
assert gap < 1e-12
assert np.isfinite(numpymlp.log_softmax(network.forward(far))).all()
assert gap32 < 1e-3
assert split_gap < 1e-12
assert thread_gap < 1e-9
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
# Speed has no assert: on a busy machine it would fail, although nothing is wrong.
#
# ## In five lines
#
# 1. Same weights, same batches, same formulas: same numbers, to the last digits of float64.
# 2. Compare speed only if the results agree: in turn, on equal terms, as a ratio.
# 3. The time goes into the first layer's matrix products and, with small batches, the optimizer.
# 4. Speed comes from float32, in-place arithmetic, and skipping gradients that nobody needs.
# 5. Two workers with half of the hidden units each need one sum in a step, of the logits.
#
# ## Exercises
#
# Fill in [tutorials/exercises/11_against_scikit_learn.py](exercises/11_against_scikit_learn.py).
# Then `.venv/bin/pytest tutorials/exercises -k 11`, run from the repository's root, tells you what
# is still wrong.
#
# ## Read next
#
# In the package: [numpymlp/sklearn/](../numpymlp/sklearn/__init__.py), which offers this network
# with scikit-learn's interface, and [numpymlp/optimizers.py](../numpymlp/optimizers.py), with the
# in-place arithmetic of section 3. You can read the whole engine in an evening, from
# [numpymlp/layers.py](../numpymlp/layers.py) to
# [numpymlp/training/trainer.py](../numpymlp/training/trainer.py). Little in it, beyond batch
# normalization and the bookkeeping of the Trainer, should be new to you.
#
# This was the last page about the engine. Two sequels follow:
# [12 Automatic differentiation](12_automatic_differentiation.ipynb) derives the backward pass from
# the forward pass, and [13 Convolution](13_convolution.ipynb) builds a layer for images.
