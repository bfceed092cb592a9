# %% [markdown]
# # 08 Optimizers: how a gradient becomes a step
#
# ## What you will build
#
# The four optimizers that train most networks, each in under ten lines: gradient descent,
# momentum, Nesterov's momentum and Adam. You will see their paths on one loss surface, and then
# use them to train a small network on MNIST.
#
# ## What you need
#
# [06 Layers as classes](06_layers_as_classes.ipynb): a network whose parameters lie in one vector,
# and whose backpropagation fills a second vector, their gradients. An optimizer sees only these two
# vectors. [07 Gradient checking](07_gradient_checking.ipynb): how to test code against a second way
# to the same result.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $p$ | `p`, `network.parameters` | (P,) | all weights and biases, as one vector |
# | $g$ | `g`, `network.gradients` | (P,) | the gradient of the loss, $\partial L / \partial p$ |
# | $a$ | `learning_rate` | number | the learning rate: how far one step goes |
# | $\mu$ | `momentum` | number, 0 to 1 | the fraction of the last step that the next one keeps |
# | $v$ | `v` | (P,) | in momentum: the last step; in Adam: the moving average of $g^2$ |
# | $m$ | `m` | (P,) | a moving average; in Adam: that of $g$ |
# | $\beta_1, \beta_2$ | `beta1`, `beta2` | numbers, 0 to 1 | how slowly Adam's averages change |
# | $t$ | `t` | integer | number of the step, from 1 |

# %%
import matplotlib.pyplot as plt
import numpy as np
from drawing import you_are_here

import numpymlp
from numpymlp import plots
from numpymlp.plots.style import INK, QUIET, RUN_COLOURS, tidy

# %matplotlib inline

# %% tags=["hide-input"]
you_are_here("weights, and the step that their gradients become", 1, 3)

# %% [markdown]
# ## 1. A valley with two weights
#
# The loss of a network with thousands of weights cannot be drawn. The loss of two weights can, and
# it shows most of what happens. Take a long, narrow valley:
#
# $$L(p) = \tfrac12 \left( 1 \cdot p_0^2 + 25 \cdot p_1^2 \right), \qquad
# \frac{\partial L}{\partial p} = (1 \cdot p_0,\; 25 \cdot p_1)$$
#
# The minimum is at (0, 0). Along $p_1$ the loss is steep, along $p_0$ almost flat. Real networks
# are like this: some directions are many times steeper than others.

# %%
steepness = np.array([1.0, 25.0])
start = np.array([-8.0, 1.6])


def loss(p):
    return 0.5 * (steepness * p**2).sum(axis=-1)


def gradient(p):
    return steepness * p


def walk(optimizer, steps=40):
    p = start.copy()
    path = [p.copy()]
    for _ in range(steps):
        optimizer.step(p, gradient(p))
        path.append(p.copy())
    return np.array(path)  # (steps + 1, 2)


# %% [markdown]
# Every optimizer on this page is a class with a method `step(p, g)` that changes `p` in place.
# The simplest is **gradient descent**: a step against the gradient.
#
# $$p \leftarrow p - a\, g$$
#
# It is called SGD, *stochastic* gradient descent, when $g$ comes from a random mini-batch instead
# of all data. The formula stays the same.


# %%
class SGD:
    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def step(self, p, g):
        p -= self.learning_rate * g


# %% [markdown]
# **Predict, then run.** The learning rates below are 0.070 and 0.085. The loss is 64 at the start.
# What will it be after 40 steps? (Hint: what does one step do to $p_1$, if its gradient is
# $25\,p_1$?)

# %% tags=["hide-output"]
print(f"at the start             loss {loss(start):12.3f}")
for learning_rate in (0.070, 0.085):
    path = walk(SGD(learning_rate))
    print(f"learning rate {learning_rate:.3f}      loss {loss(path[-1]):12.3f}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# One reaches 0.1, the other explodes. One step multiplies $p_1$ by $1 - 25\,a$. For $a = 0.070$
# this is -0.75: the sign flips, the size shrinks. For $a = 0.085$ it is -1.125: the size grows at
# every step. The limit is where the factor is -1, at $a = 2/25 = 0.08$.
#
# </details>
#
# > The steepest direction limits the learning rate, and the flattest direction gets the same one.
#
# In the flat direction, one step with $a = 0.070$ multiplies $p_0$ by 0.93 only. Here is the path.

# %% tags=["hide-input"]
axis0, axis1 = np.linspace(-9, 3, 121), np.linspace(-2.6, 2.6, 105)
surface = loss(np.stack(np.meshgrid(axis0, axis1), axis=-1))  # (105, 121)

figure = plots.optimizer_paths(
    axis0, axis1, surface, {"SGD": walk(SGD(0.07))}, title="Gradient descent: zigzag, then crawl"
)
figure.axes[0].set(xlabel="$p_0$", ylabel="$p_1$")
figure.set_size_inches(8, 3.6)
figure.set_dpi(90)
figure


# %% [markdown]
# Darker is higher, and each dot is one step. The first ten steps jump from side to side, the others
# move slowly along the floor. After 40 steps the path is still 0.44 away from the minimum.
#
# ## 2. An average that forgets
#
# It helps to use more than one gradient. Momentum and Adam share a tool for this: an average in
# which old numbers lose their weight.
#
# $$m_t = \beta\, m_{t-1} + (1 - \beta)\, x_t, \qquad m_0 = 0$$
#
# It is called an *exponential moving average*. With $\beta = 0.9$ it averages over about the last
# 10 numbers, with $\beta = 0.99$ over about the last 100: about $1 / (1 - \beta)$.
#
# We try it on numbers that scatter around 1.


# %%
def moving_average(numbers, beta):
    m, averages = 0.0, []
    for x in numbers:
        m = beta * m + (1 - beta) * x
        averages.append(m)
    return np.array(averages)


numbers = np.random.default_rng(0).normal(1.0, 0.8, size=120)
t = np.arange(1, 121)

# %% tags=["hide-input"]
figure, panels = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for axes, corrected in zip(panels, (False, True), strict=True):
    title = "divided by $1 - \\beta^t$" if corrected else "as the formula says"
    tidy(axes, title, "number $t$", "value", grid="y")
    axes.plot(t, numbers, ".", color="#BBBBBB", label="numbers")
    for beta, colour in zip((0.5, 0.9, 0.99), RUN_COLOURS, strict=False):
        average = moving_average(numbers, beta)
        if corrected:
            average = average / (1 - beta**t)
        axes.plot(t, average, color=colour, linewidth=2, label=f"$\\beta$ = {beta}")
    axes.axhline(1, color=INK, linewidth=1, linestyle=":")
panels[1].set_ylabel("")
panels[1].legend(fontsize=8, ncols=2)
plt.show()

# %% [markdown]
# Left: the larger $\beta$ is, the smoother the curve. But all curves start near 0, and the one for
# $\beta = 0.99$ has not reached 1 after 120 numbers. To see why, write the recursion out:
# $m_t = (1 - \beta)\,(x_t + \beta x_{t-1} + \beta^2 x_{t-2} + \dots)$. The weights of the $t$
# numbers so far sum to
#
# $$(1 - \beta)(1 + \beta + \dots + \beta^{t-1}) = 1 - \beta^t$$
#
# and not to 1. Right: divided by this sum, it is a weighted average from the first number on. This
# is called *bias correction*. We check the sum:

# %%
beta = 0.9
for count in (1, 2, 10, 100):
    weights = (1 - beta) * beta ** np.arange(count)
    print(f"t = {count:3d}   sum of weights {weights.sum():.6f}   1 - beta^t {1 - beta**count:.6f}")
    assert np.isclose(weights.sum(), 1 - beta**count)


# %% [markdown]
# ## 3. Momentum
#
# Momentum steps along such an average of gradients. The step $v$ is the fraction $\mu$ of the last
# step, plus a step against the new gradient:
#
# $$v \leftarrow \mu\, v - a\, g, \qquad p \leftarrow p + v$$
#
# There is no factor $1 - \mu$ before $g$ (it would only rescale $a$) and no bias correction, so the
# first steps are short. Across the valley the gradient flips its sign at each step, and the terms
# cancel. Along the valley it always points the same way, and the terms add up.


# %%
class Momentum:
    def __init__(self, learning_rate, momentum):
        self.learning_rate, self.momentum = learning_rate, momentum
        self.v = 0.0  # the last step; becomes a vector with the first one

    def step(self, p, g):
        self.v = self.momentum * self.v - self.learning_rate * g
        p += self.v


# %% [markdown]
# **Predict, then run.** The gradient is 1 at every step, the learning rate 0.1, the momentum 0.9.
# The first step has the length 0.1. How long is the 50th?

# %% tags=["hide-output"]
optimizer, p = Momentum(0.1, momentum=0.9), np.zeros(1)
for step in range(1, 51):
    optimizer.step(p, np.ones(1))
    if step in (1, 2, 10, 50):
        print(f"step {step:2d} is {abs(optimizer.v[0]):.3f} long")


# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Ten times as long. The step is $a\,(1 + \mu + \mu^2 + \dots)$, which tends to $a / (1 - \mu)$: ten
# times $a$ for $\mu = 0.9$.
#
# </details>
#
# So for steps of the same length along the valley, momentum needs a smaller learning rate.
#
# **Nesterov's momentum** makes one small change. The step $\mu v$ will be made in any case. So take
# the gradient at the point where that step leads, $p + \mu v$, and not at $p$:
#
# $$v' = \mu\, v - a\; g(p + \mu v), \qquad p' = p + v'$$
#
# The prime ' marks the new values. In a picture, near the floor of the valley:

# %% tags=["hide-input"]
here, keep = np.array([-6.0, 1.1]), np.array([1.3, -0.75])  # p, and the step mu v
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
tidy(axes, "Look ahead, then correct", "$p_0$", "$p_1$")
axes.axhline(0, color=QUIET, linewidth=1, linestyle=":")
axes.text(-3.35, 0.04, "floor of the valley", color=QUIET, ha="right", fontsize=9)
arrow = {"arrowstyle": "-|>", "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
axes.annotate("", here + keep, here, arrowprops=arrow | {"color": QUIET})
for name, at, colour in (
    ("momentum: $g$ at $p$", here, RUN_COLOURS[1]),
    ("Nesterov: $g$ at $p + \\mu v$", here + keep, RUN_COLOURS[2]),
):
    end = here + keep - 0.03 * gradient(at)
    axes.annotate("", end, here + keep, arrowprops=arrow | {"color": colour})
    axes.text(end[0] + 0.06, end[1], name, color=colour, va="center")
axes.text(here[0] + 0.08, here[1] + 0.02, "$p$", fontsize=12)
axes.text(here[0] + keep[0] + 0.06, here[1] + keep[1] + 0.06, "$p + \\mu v$", fontsize=12)
axes.set(xlim=(-6.2, -3.3), ylim=(-0.7, 1.3))
plt.show()

# %% [markdown]
# The grey arrow is the step $\mu v$. At $p$ the slope is steep, so momentum adds a large step and
# crosses the floor. At $p + \mu v$ the floor is near, the slope is smaller, and so is Nesterov's
# correction.
#
# But a network computes gradients at its parameters, and $p + \mu v$ is another point. So let the
# network's parameters be that point, $q = p + \mu v$. Its next position is
#
# $$q' = p' + \mu v' = p + v' + \mu v' = p + \mu v - a\, g(q) + \mu v' = q + \mu v' - a\, g(q)$$
#
# So $p$ is no longer needed. We rename $q$ to $p$ (the second $v$ below is already the new one):
#
# $$v \leftarrow \mu\, v - a\, g, \qquad p \leftarrow p + \mu\, v - a\, g$$


# %%
class Nesterov(Momentum):
    def step(self, p, g):
        self.v = self.momentum * self.v - self.learning_rate * g
        p += self.momentum * self.v - self.learning_rate * g


runs = {"SGD": SGD(0.07), "momentum": Momentum(0.03, 0.8), "Nesterov": Nesterov(0.03, 0.8)}
paths = {name: walk(optimizer) for name, optimizer in runs.items()}
for name, path in paths.items():
    print(f"{name:9s} loss after 40 steps {loss(path[-1]):.6f}")


# %% [markdown]
# All three used one gradient for each step.
#
# Libraries write the same two methods in several ways. Before you move a learning rate from one to
# another, look at which $v$ they mean ("changes by" uses the new $v$):
#
# | where | new $v$ | momentum: $p$ changes by | Nesterov: $p$ changes by |
# |---|---|---|---|
# | this page, `numpymlp`, scikit-learn, Keras | $\mu v - a g$ | $v$ | $\mu v - a g$ |
# | PyTorch | $\mu v + g$ | $-a v$ | $-a\,(g + \mu v)$ |
# | some courses: a moving average | $\mu v + (1 - \mu)\, g$ | $-a v$ | |
#
# In the first row $v$ is a step, in the second a sum of gradients. While the learning rate stays
# the same, both take the same steps. When it changes, PyTorch applies the new one to the old
# gradients too. The third row needs a learning rate $1 / (1 - \mu)$ times as large for the same
# steps.
#
# ## 4. Adam
#
# Momentum still has one learning rate for all directions, and the steepest direction limits it.
# Adam scales the step of each parameter separately. It keeps two moving averages, of the gradient
# and of its square, and corrects both as in section 2:
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad
# v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$
#
# $$p \leftarrow p - a\; \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$
#
# The fraction is the average gradient, divided by its typical size. Where the gradient keeps its
# sign, the fraction is about 1 or -1, whether the gradient is large or small. Where the sign
# changes, the fraction is small. $\epsilon$ only prevents a division by 0. (Kingma and Ba, *Adam: a
# method for stochastic optimization*, 2014, algorithm 1.)


# %%
class Adam:
    def __init__(self, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.learning_rate, self.epsilon = learning_rate, epsilon
        self.beta1, self.beta2 = beta1, beta2
        self.m, self.v, self.t = 0.0, 0.0, 0

    def step(self, p, g):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        mean = self.m / (1 - self.beta1**self.t)
        mean_square = self.v / (1 - self.beta2**self.t)
        p -= self.learning_rate * mean / (np.sqrt(mean_square) + self.epsilon)


# %% tags=["main"]
paths["Adam"] = walk(Adam(0.5))
figure = plots.optimizer_paths(
    axis0, axis1, surface, paths, title="Four optimizers, 40 steps each, one valley"
)
figure.axes[0].set(xlabel="$p_0$", ylabel="$p_1$")
figure.set_size_inches(8, 4.6)
figure.set_dpi(90)
for name, path in paths.items():
    distance = np.linalg.norm(path[-1])
    print(f"{name:9s} {distance:.3f} from the minimum, loss {loss(path[-1]):.5f}")
figure

# %% [markdown]
# SGD (blue) zigzags. Momentum (orange) also swings, but the swings cancel and its steps along the
# valley grow. Nesterov (green) swings less.
#
# Adam (pink) starts differently. The gradient is five times as large along $p_1$ as along $p_0$,
# yet Adam's first step is 0.5 in both directions: the learning rate, whatever the gradient. Then it
# goes past the minimum and turns back. After 40 steps it is farther away than plain SGD. The next
# question shows its strength.
#
# **Predict, then run.** Somebody measures the loss in cents instead of euros: it becomes 100
# times as large, and so does the gradient. The learning rates stay as they are. Where are the
# four optimizers after 40 steps?

# %% tags=["hide-output"]
steepness = steepness * 100
runs = [SGD(0.07), Momentum(0.03, 0.8), Nesterov(0.03, 0.8), Adam(0.5)]
ends = {type(optimizer).__name__: walk(optimizer)[-1] for optimizer in runs}
steepness = steepness / 100
for name, end in ends.items():
    print(f"{name:9s} ends {np.linalg.norm(end):9.2g} from the minimum")
assert np.allclose(ends["Adam"], paths["Adam"][-1], atol=1e-5)


# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Three diverge; Adam's path has not changed.
#
# </details>
#
# A constant factor on the gradient cancels in Adam's fraction. This is why 0.001 is a reasonable
# first learning rate for Adam in very different networks, while SGD needs a new search for each.
# (Section 6 looks for the best one.)
#
# ## 5. Two faults that a gradient check cannot see
#
# A gradient check compares `g` with finite differences. It does not test what an optimizer does
# with `g`. Both faults below are from published code, and both versions still train.
#
# The first divides by $1 - \beta$ instead of $1 - \beta^t$. The second increments $t$ inside the
# loop over the parameter arrays (here: the two entries of `p`), so that `t` grows too fast.


# %%
class AdamWithConstantCorrection(Adam):
    def step(self, p, g):
        self.t = 1  # the correction of the first step, at every step
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        mean, mean_square = self.m / (1 - self.beta1), self.v / (1 - self.beta2)
        p -= self.learning_rate * mean / (np.sqrt(mean_square) + self.epsilon)


# %%
class AdamThatCountsArrays(Adam):
    def step(self, p, g):
        self.m, self.v = np.zeros(len(p)) + self.m, np.zeros(len(p)) + self.v
        for i in range(len(p)):
            self.t += 1  # once for each array instead of once for each step
            self.m[i] = self.beta1 * self.m[i] + (1 - self.beta1) * g[i]
            self.v[i] = self.beta2 * self.v[i] + (1 - self.beta2) * g[i] ** 2
            mean = self.m[i] / (1 - self.beta1**self.t)
            mean_square = self.v[i] / (1 - self.beta2**self.t)
            p[i] -= self.learning_rate * mean / (np.sqrt(mean_square) + self.epsilon)


# %% [markdown]
# How do we find them? With an *oracle*: a second way to the same result, so simple that it cannot
# contain the same fault. The averages can be written as weighted averages of all gradients so far,
# without a recursion.


# %%
def adam_oracle(gradients, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Return where Adam must be after these gradients (T, P), from p = 0, by weighted averages."""
    p = np.zeros(gradients.shape[1])
    for t in range(1, len(gradients) + 1):
        age = np.arange(t)[::-1]  # the newest gradient has age 0
        mean = np.average(gradients[:t], axis=0, weights=beta1**age)
        mean_square = np.average(gradients[:t] ** 2, axis=0, weights=beta2**age)
        p -= learning_rate * mean / (np.sqrt(mean_square) + epsilon)
    return p


# %% [markdown]
# **Predict, then run.** We compare after 1 step and after 10 steps, with one parameter and with
# two. Which of the four columns reveal which fault?

# %% tags=["hide-output"]
print("                             1 step      1 step     10 steps    10 steps")
print("                             1 number    2 numbers  1 number    2 numbers")
for kind in (Adam, AdamWithConstantCorrection, AdamThatCountsArrays):
    errors = []
    for steps, size in ((1, 1), (1, 2), (10, 1), (10, 2)):
        gradients = np.random.default_rng(1).normal(1.0, 1.0, (steps, size))
        optimizer, p = kind(0.1), np.zeros(size)
        for g in gradients:
            optimizer.step(p, g)
        errors.append(abs(p - adam_oracle(gradients, 0.1)).max())
    print(f"{kind.__name__:27s}", "   ".join(f"{error:9.1e}" for error in errors))

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# After one step, the first fault is invisible: $1 - \beta^1$ *is* $1 - \beta$. With one number, the
# second fault is invisible. Only the last column reveals both.
#
# </details>
#
# A test of an optimizer needs at least two parameters and several steps.
#
# How wrong is the first fault? Compare its step with the right one, for the same averages $m$ and
# $v$:

# %%
for t_now in (1, 10, 100, 1000, 10000):
    ratio = (1 - 0.9**t_now) / (1 - 0.9) * np.sqrt((1 - 0.999) / (1 - 0.999**t_now))
    print(f"step {t_now:5d}: {ratio:.2f} times the right step")

# %% [markdown]
# The first step is right. At step 10 it is twice as long as it should be, and in the end a third of
# the right length. Nothing crashes, and the curves look normal.
#
# ## 6. The package's optimizers, on a real network
#
# `numpymlp/optimizers.py` has the same formulas, with all arithmetic in place. Do they agree, after
# 50 noisy steps of each?

# %%
pairs = {
    "SGD": (SGD(0.1), numpymlp.SGD(0.1)),
    "momentum": (Momentum(0.1, 0.9), numpymlp.SGD(0.1, momentum=0.9)),
    "Nesterov": (Nesterov(0.1, 0.9), numpymlp.SGD(0.1, momentum=0.9, nesterov=True)),
    "Adam": (Adam(0.1), numpymlp.Adam(0.1)),
    "Adam, epsilon 1e-16": (Adam(0.1, epsilon=1e-16), numpymlp.Adam(0.1, epsilon=1e-16)),
}
for name, (ours, package) in pairs.items():
    p, p_package = np.zeros(1000), np.zeros(1000)
    for g in np.random.default_rng(2).normal(0.5, 1.0, size=(50, 1000)):
        ours.step(p, g)
        package.step(p_package, g)
    difference = abs(p - p_package).max()
    print(f"{name:25s} largest difference {difference:.1e}")
    assert difference < (1e-3 if name == "Adam" else 1e-11)

# %% [markdown]
# The first three agree up to rounding. Adam differs a little, and the last line shows why: with a
# tiny $\epsilon$ it agrees too. The package corrects the learning rate, one number, instead of two
# vectors. So $\epsilon$ is added to the *uncorrected* root, which matters where a gradient is
# almost 0. The paper allows both forms.
#
# Now a network: 784-64-10 on 5,000 digits. The last four lines of the loop are the same for every
# optimizer: forward, loss, backward, step. (`factor` multiplies the learning rate of one step;
# until section 7 it is 1.) We hold back the last 10,000 training images to compare settings: they
# are the *validation* set. The test set stays untouched.

# %%
(x_train, y_train), _ = numpymlp.load_mnist()
x_small, y_small = x_train[:5000], y_train[:5000]
x_val, y_val = x_train[50000:], y_train[50000:]


def train(optimizer, epochs=2, schedule=None, batch_size=100):
    network = numpymlp.mlp([784, 64, 10], rng=np.random.default_rng(0))
    cross_entropy, rng, losses = numpymlp.SoftmaxCrossEntropy(), np.random.default_rng(1), []
    total = epochs * len(x_small) // batch_size
    for _ in range(epochs):
        for x, y in numpymlp.minibatches(x_small, y_small, batch_size, rng):
            factor = schedule(len(losses), total) if schedule else 1.0
            logits = network.forward(x, training=True)
            losses.append(cross_entropy.forward(logits, y))
            network.backward(cross_entropy.backward())
            optimizer.step(network.parameters, network.gradients, factor)
    return losses, numpymlp.evaluate(network, cross_entropy, x_val, y_val)


# %%
candidates = {
    "SGD, 0.1": numpymlp.SGD(0.1),
    "momentum 0.9, 0.03": numpymlp.SGD(0.03, momentum=0.9),
    "Nesterov 0.9, 0.03": numpymlp.SGD(0.03, momentum=0.9, nesterov=True),
    "Adam, 0.003": numpymlp.Adam(0.003),
}
figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
tidy(axes, "The same network, the same batches", "step", "loss (mean of 5 steps)", grid="y")
for (name, optimizer), colour in zip(candidates.items(), RUN_COLOURS, strict=False):
    losses, result = train(optimizer)
    axes.plot(np.arange(2, 100, 5), np.reshape(losses, (-1, 5)).mean(1), color=colour, label=name)
    print(f"{name:19s} validation loss {result.loss:.3f}, accuracy {100 * result.accuracy:.1f} %")
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# All begin with the same weights and see the same batches. Each has about a third of its best
# learning rate, as the next picture will show (Nesterov has that of momentum). Plain SGD is last.
# Momentum needs about 50 steps, and Adam about 30, for the loss that SGD reaches after 100.
#
# How much does the learning rate matter? Below, each point is a training run of 100 steps.

# %%
rates = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
kinds = {
    "SGD": (lambda rate: numpymlp.SGD(rate), RUN_COLOURS[0]),
    "momentum 0.9": (lambda rate: numpymlp.SGD(rate, momentum=0.9), RUN_COLOURS[1]),
    "Adam": (lambda rate: numpymlp.Adam(rate), RUN_COLOURS[3]),  # pink, as above
}
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
tidy(axes, "After 100 steps", "learning rate (log scale)", "validation accuracy (%)", grid="y")
for name, (kind, colour) in kinds.items():
    accuracies = [100 * train(kind(rate))[1].accuracy for rate in rates]
    axes.plot(rates, accuracies, "o-", color=colour, label=name)
    print(f"{name:12s} best at {rates[int(np.argmax(accuracies))]}")
axes.set_xscale("log")
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# The best learning rates are far apart: that of SGD is about 30 times that of Adam. Below the best
# one, momentum at 0.001 to 0.03 does what SGD does at a learning rate ten times as large: the
# factor of section 3. Far above the best one, momentum and Adam fail. So compare optimizers only
# with a learning rate that suits each.
#
# ## 7. A learning rate that changes
#
# Large steps make fast progress, small steps come close to the minimum. A *schedule* gives the
# factor on the learning rate at each step. The package has four, for every optimizer. `Constant`
# leaves it at 1. `StepDecay` multiplies it by 0.3 after each fifth of the training run. `Cosine`
# falls from 1 to 0 along half a wave. `OneCycle` rises in a straight line during the first tenth,
# then falls to 0.

# %%
schedules = [numpymlp.Constant(), numpymlp.StepDecay(), numpymlp.Cosine(), numpymlp.OneCycle()]
figure, axes = plt.subplots(figsize=(8, 2.4), layout="constrained")
tidy(axes, "Four schedules", "step of 100", "factor on the learning rate", grid="y")
for schedule, colour in zip(schedules, RUN_COLOURS, strict=False):
    factors = [schedule(step, 100) for step in range(100)]
    axes.plot(factors, color=colour, label=type(schedule).__name__)
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# Now 1,000 steps of Adam, with batches of 20 samples. Their gradients are noisier.

# %%
for schedule in schedules:
    _, result = train(numpymlp.Adam(0.01), epochs=4, schedule=schedule, batch_size=20)
    print(f"{type(schedule).__name__:9s} validation accuracy {100 * result.accuracy:.1f} %")

# %% [markdown]
# A learning rate that falls gains one to two percentage points. With a constant one, the steps at
# the end are too long and keep jumping over the minimum. `OneCycle` takes small steps first, while
# the weights are still random. Page 09 uses it.
#
# ## Checks

# %%
assert loss(paths["SGD"][-1]) > loss(paths["momentum"][-1]) > loss(paths["Nesterov"][-1])
gradients = np.random.default_rng(1).normal(1.0, 1.0, (10, 2))
optimizer, p = Adam(0.1), np.zeros(2)
for g in gradients:
    optimizer.step(p, g)
assert p.shape == (2,)
assert np.allclose(p, adam_oracle(gradients, 0.1), atol=1e-12)
assert numpymlp.OneCycle()(9, 100) == 1.0  # the peak, after the first tenth
assert result.accuracy > 0.92
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. Gradient descent steps against the gradient; the steepest direction limits the learning rate.
# 2. A moving average that starts at 0 is too small at first; dividing by $1 - \beta^t$ corrects it.
# 3. Momentum adds up gradients that agree and cancels those that do not.
# 4. Adam divides by the gradient's typical size, so a constant factor on the loss does not matter.
# 5. Test an optimizer with an oracle, over several steps and at least two parameters.
#
# ## Exercises
#
# Fill in [tutorials/exercises/08_optimizers.py](exercises/08_optimizers.py). Then
# `.venv/bin/pytest tutorials/exercises -k 08`, run from the repository's root, tells you what is
# still wrong.
#
# ## Read next
#
# In the package: [numpymlp/optimizers.py](../numpymlp/optimizers.py), the same formulas with all
# arithmetic in place, then [numpymlp/schedules.py](../numpymlp/schedules.py). In the course:
# [09 Train on MNIST and look inside](09_train_and_look_inside.ipynb), where a network learns from
# all of MNIST.
