# %% [markdown]
# # 01 One neuron: learning is walking downhill
#
# ## What you will build
#
# The smallest model that learns: one neuron with two numbers inside. From five examples it learns
# how degrees Celsius become degrees Fahrenheit: times 1.8, plus 32. You know this answer already,
# so you can check what the neuron finds. A network consists of many such neurons, and it learns in
# the same way.
#
# ## What you need
#
# School calculus: what a derivative is, and the chain rule. From [page 00](00_the_data.ipynb) only
# that samples are numbers.
#
# ## Symbols
#
# | formula | code | meaning |
# |---|---|---|
# | $x$ | `x` | the input |
# | $w, b$ | `w`, `b` | weight and bias: the two parameters that the neuron learns |
# | $z = x w + b$ | `z` | the output |
# | $y$ | `y` | the target: the correct output |
# | $L$ | `loss(z, y)` | the loss: one number that says how wrong the output is |
# | $\partial L/\partial w$ | `dw` | derivative of the loss with respect to `w`; also `db`, `dz` |
# | $a$ | `learning_rate` | the factor between the slope and the step |
# | $h$ | `h` | the step of a finite difference |
#
# All of these are single numbers on this page. As on page 00, $y$ is the target, the correct
# answer. The output of the neuron is called $z$.

# %%
import matplotlib.pyplot as plt
import numpy as np
from drawing import draw, you_are_here

from numpymlp.plots.style import RUN_COLOURS, TRAIN, WRONG, tidy

# %matplotlib inline

# %% tags=["hide-input"]
you_are_here("one neuron, as there are three in this layer", 1)

# %% [markdown]
# ## A neuron and its loss
#
# A neuron multiplies its input by a weight and adds a bias:
#
# $$z = x w + b$$
#
# We measure temperatures in hundreds of degrees, so that all numbers have a size near 1. 50 °C are
# 122 °F: the input $x$ is 0.5, and the target $y$ is 1.22. Start with any weight and bias, say 1
# and 0.


# %%
def neuron(x, w, b):
    return x * w + b


x, y = 0.5, 1.22
w, b = 1.0, 0.0
z = neuron(x, w, b)
print("output", z, "target", y)

# %% [markdown]
# The output is too small. *How* wrong is it? We need one number that is 0 if the output is correct,
# and grows with the distance from the target on both sides. Half the squared difference is such a
# number:
#
# $$L = \tfrac{1}{2} (z - y)^2$$
#
# The half makes the derivative simple, as you will see soon.


# %%
def loss(z, y):
    return (z - y) ** 2 / 2


print(f"loss {loss(z, y):.4f}")

# %% [markdown]
# ## Which way is down?
#
# Learning means: change `w` and `b` so that the loss gets smaller. Should `w` grow or shrink? You
# can simply try. **Predict, then run.** The output, 0.5, is below the target, and `x` is positive.
# Will the loss rise or fall if `w` grows a little?

# %% tags=["hide-output"]
h = 0.01
before = loss(neuron(x, w, b), y)
after = loss(neuron(x, w + h, b), y)
print(f"loss before {before:.6f}, after {after:.6f}, change {after - before:+.6f}")
print(f"change of the loss for each unit of w: {(after - before) / h:.4f}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# It falls: a larger `w` gives a larger output, nearer to the target.
#
# </details>
#
# The last number that the cell prints is a *slope*. It says how fast the loss changes as `w` grows.
# You have just computed a *finite difference*: move a number by $h$, measure the change of the
# loss, and divide it by $h$.
#
# A better version of the same idea moves the number by $h$ to both sides and divides by the whole
# distance, $2h$. This is the *central* difference:
#
# $$\frac{\partial L}{\partial w} \approx \frac{L(w + h) - L(w - h)}{2h}$$


# %%
def slope(f, at, h=1e-5):
    """Return the central difference of f, a function of one number, at a point."""
    return (f(at + h) - f(at - h)) / (2 * h)


numeric_dw = slope(lambda w: loss(neuron(x, w, b), y), w)
numeric_db = slope(lambda b: loss(neuron(x, w, b), y), b)
print(f"slope for w {numeric_dw:.6f}, for b {numeric_db:.6f}")

# %% [markdown]
# ## The same by calculus
#
# A finite difference runs the neuron twice for each parameter. A network has hundreds of thousands
# of parameters, so this is far too slow for learning. Calculus gives all slopes at once.
#
# The loss depends on $z$, and $z$ depends on $w$. The chain rule says: multiply the derivatives
# along this path.
#
# $$\frac{\partial L}{\partial w} =
# \frac{\partial L}{\partial z} \cdot \frac{\partial z}{\partial w}$$
#
# Each factor is simple. $L = \frac{1}{2}(z - y)^2$ has the derivative $z - y$: the half cancels the
# 2 of the square. $z = x w + b$ has the derivative $x$ with respect to $w$, and 1 with respect to
# $b$. So
#
# $$\frac{\partial L}{\partial z} = z - y, \qquad
# \frac{\partial L}{\partial w} = \frac{\partial L}{\partial z}\, x, \qquad
# \frac{\partial L}{\partial b} = \frac{\partial L}{\partial z}$$
#
# Read the curly $\partial$ like the $d$ of school. It says that there are other variables, which
# stay fixed. In code we leave out the "$\partial L$", which is the same everywhere: `dw` is
# $\partial L/\partial w$.

# %%
dz = z - y
dw = dz * x
db = dz
print(f"dz {dz:.4f}, dw {dw:.4f}, db {db:.4f}")
print(f"difference from the numeric slopes: {abs(dw - numeric_dw):.1e}, {abs(db - numeric_db):.1e}")

# %% [markdown]
# They agree to eleven digits. Remember this pair: **calculus computes the derivative fast, and a
# finite difference tells whether you made a mistake.** Every derivative in this course and in the
# package has passed this comparison.
#
# This drawing of the neuron shows all these numbers. In each box, the blue number is the value. The
# orange number below it is the slope of the loss along this value. On the line is the weight `w`
# with `dw`. Under the box of the neuron is the bias `b` with `db`. ("Dense(1→1)" means: a layer
# with one input and one output.)

# %% tags=["hide-input"]
draw([([[w]], [b])], [[x]], [[y]], "The neuron, with its slopes")

# %% [markdown]
# As a curve, the slope is the steepness of the tangent.

# %% tags=["hide-input"]
weights = np.linspace(0, 4.6, 100)
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
axes.plot(weights, loss(neuron(x, weights, b), y), color=TRAIN, label="loss")
near = np.array([0.2, 1.8])
tangent = loss(z, y) + dw * (near - w)
axes.plot(near, tangent, color=WRONG, linestyle="--", label=f"tangent, slope {dw:.2f}")
axes.plot(w, loss(z, y), "o", color=WRONG)
tidy(axes, "The loss as the weight changes: at w = 1 it falls to the right", "w", "loss")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# The curve is a parabola. The slope is negative, so the loss falls to the right, and `w` must grow.
# If the slope were positive, `w` would have to shrink. In both cases the step goes *against* the
# slope.

# %% [markdown]
# ## How small a step?
#
# The central difference used $h = 10^{-5}$. A derivative is the limit of ever smaller steps, so why
# not take a smaller $h$? Try it. The parabola is too simple for this test: on a parabola, a central
# difference is exact for every $h$, because the errors of the two sides cancel. Take $e^u$ at
# $u = 1$ instead. Its derivative is known: $e^u$ again.
#
# **Predict, then run.** From $h = 1$ down to $10^{-15}$, does the error fall all the way?

# %% tags=["hide-output"]
steps = 10.0 ** np.arange(0, -16, -1)
central = [abs(slope(np.exp, 1.0, h) - np.e) for h in steps]
one_sided = [abs((np.exp(1 + h) - np.exp(1)) / h - np.e) for h in steps]
figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
axes.loglog(steps, one_sided, "s--", color=RUN_COLOURS[1], label="one-sided difference")
axes.loglog(steps, central, "o-", color=TRAIN, label="central difference")
tidy(axes, "Large steps are inaccurate, and so are tiny ones", "step h", "error", grid="both")
axes.legend(frameon=False)
plt.show()
print(f"error of the central difference at h = 1e-05: {central[5]:.1e}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# No. Read the picture from right to left. At first the error falls with $h$. This is the
# *truncation error*: over a wide step the curve is not straight. The error of the central
# difference falls faster, by a factor of 100 when the step becomes 10 times smaller, because the
# errors of the two sides cancel in part.
#
# Then the error grows again. This is the *rounding error*: the computer keeps about 16 digits of a
# number. If two values differ only in their last digits, few digits of their difference are
# correct, and dividing by a tiny $h$ makes the error large.
#
# </details>
#
# Near $h = 10^{-5}$ both errors are small. The whole course uses this step.

# %% [markdown]
# ## Walking downhill
#
# Now let the neuron learn. Take a step against the slope, in proportion to it:
#
# $$w \leftarrow w - a\, \frac{\partial L}{\partial w}, \qquad
# b \leftarrow b - a\, \frac{\partial L}{\partial b}$$
#
# The factor $a$ is the *learning rate*, `learning_rate` in code. All slopes of a loss together are
# called its *gradient*, and this method is *gradient descent*. Try a learning rate of 0.5.

# %%
learning_rate = 0.5
w, b = 1.0, 0.0
for step in range(10):
    z = neuron(x, w, b)
    dz = z - y
    w -= learning_rate * dz * x
    b -= learning_rate * dz
    print(f"step {step}: output before it {z:.4f}, loss {loss(z, y):.6f}")
print(f"w = {w:.3f}, b = {b:.3f}")

# %% [markdown]
# The output reaches 1.22. But the neuron has not learned to convert temperatures: it found
# $w = 1.29$ and $b = 0.58$, not 1.8 and 0.32. Its loss measured one sample only, and many pairs of
# $w$ and $b$ turn 0.5 into 1.22. More samples leave only the correct pair.

# %% [markdown]
# ## Five samples
#
# The loss of several samples is the *mean* of their losses, so that it does not depend on the
# number of samples. The derivative of a mean is the mean of the derivatives.

# %%
celsius = np.array([-20.0, 0.0, 20.0, 50.0, 100.0])
xs, ys = celsius / 100, (1.8 * celsius + 32) / 100


def mean_gradient(w, b):
    dw = db = 0.0
    for x, y in zip(xs, ys, strict=True):
        dz = neuron(x, w, b) - y
        dw += dz * x / len(xs)
        db += dz / len(xs)
    return dw, db


# %% [markdown]
# Before you trust this function, compare it with finite differences. The loss as a function of `w`
# and `b` is one line, because `neuron` also works on the whole array `xs`.


# %%
def mean_loss(w, b):
    return loss(neuron(xs, w, b), ys).mean()


dw, db = mean_gradient(1.0, 0.0)
gradient_error = max(
    abs(dw - slope(lambda w: mean_loss(w, 0.0), 1.0)),
    abs(db - slope(lambda b: mean_loss(1.0, b), 0.0)),
)
print(f"dw {dw:.4f}, db {db:.4f}, error {gradient_error:.1e}")


# %%
def train(learning_rate, steps, w=1.0, b=0.0):
    path = [(w, b)]
    for _ in range(steps):
        dw, db = mean_gradient(w, b)
        w -= learning_rate * dw
        b -= learning_rate * db
        path.append((w, b))
    return np.array(path)


path = train(learning_rate=1.0, steps=100)
w, b = path[-1]
print(f"after 100 steps: w = {w:.6f}, b = {b:.6f}, loss {mean_loss(w, b):.1e}")

# %% [markdown]
# The neuron has found the conversion: times 1.8, plus 0.32 hundreds of degrees. Nobody gave it
# these numbers. They are the ones that make the loss small.
#
# The picture shows the path of gradient descent. Each point of the plane is one neuron, with its
# weight and bias. Each line joins neurons of equal loss, as a line on a hiking map joins places of
# equal height.

# %% tags=["main", "hide-input"]
ws, bs = np.meshgrid(np.linspace(0.6, 2.4, 60), np.linspace(-0.15, 0.95, 60))
heights = np.mean([loss(neuron(x, ws, bs), y) for x, y in zip(xs, ys, strict=True)], axis=0)
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
axes.contour(ws, bs, heights, levels=[0.001, 0.005, 0.02, 0.05, 0.1, 0.2], colors="0.6")
axes.plot(path[:, 0], path[:, 1], "o-", color=TRAIN, markersize=4, label="100 steps")
axes.plot(1.8, 0.32, "*", color=WRONG, markersize=16, label="w = 1.8, b = 0.32")
tidy(axes, "Downhill to the neuron that converts temperatures", "weight w", "bias b")
axes.legend(framealpha=1)
plt.show()

# %% [markdown]
# The first step is long, because the slope is steep there. In the flat valley the steps become
# short, although the learning rate stays the same: the slope itself is small. And the path is not a
# straight line to the minimum. Gradient descent does not know where the minimum is. It knows only
# the slope at the current point.

# %% [markdown]
# ## The learning rate
#
# **Predict, then run.** What happens with a learning rate 50 times smaller? And with one twice as
# large?

# %% tags=["hide-output"]
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
for rate, colour in zip((0.02, 1.0, 2.0), RUN_COLOURS, strict=False):
    losses = [mean_loss(w, b) for w, b in train(rate, 40)]
    axes.semilogy(losses, color=colour, label=f"learning rate {rate}")
tidy(axes, "Too small is slow, too large diverges", "step", "loss", grid="both")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# The small learning rate works, but slowly. With 2.0, every step jumps across the valley to a
# higher point on the other side. The slope is steeper there, so the next jump is longer, and the
# loss grows without end: the training *diverges*.
#
# </details>
#
# The gradient is correct all the time. The step is too large for this valley. There is no formula
# for the best learning rate. You will learn to read from such curves whether to raise or lower it.
#
# ## Checks

# %%
assert gradient_error < 1e-7
assert abs(w - 1.8) < 1e-3
assert abs(b - 0.32) < 1e-3
assert mean_loss(*train(2.0, 40)[-1]) > mean_loss(1.0, 0.0)
print(f"25 °C are {100 * neuron(0.25, w, b):.1f} °F")

# %% [markdown]
# 25 °C was not among the samples, and 77.0 °F is correct.
#
# ## In five lines
#
# 1. A neuron computes $z = x w + b$. The loss says in one number how wrong $z$ is.
# 2. The chain rule gives the slopes: `dz = z - y`, `dw = dz * x`, `db = dz`.
# 3. A central difference, $(L(w + h) - L(w - h)) / 2h$ with $h = 10^{-5}$, tells whether they are
#    correct.
# 4. Gradient descent steps against the slope: `w -= learning_rate * dw`.
# 5. The loss of many samples is the mean of their losses, and its gradient is the mean of their
#    gradients.
#
# ## Exercises
#
# Fill in [exercises/01_one_neuron.py](exercises/01_one_neuron.py). Then run
# `.venv/bin/pytest tutorials/exercises -k 01` from the root of the repository: it tells you what is
# still wrong.
#
# ## Read next
#
# - In the package: the class `MeanSquaredError` in [losses.py](../numpymlp/losses.py). Its
#   `backward` returns your `dz = z - y`, divided by the number of samples.
# - In the course: [02 A layer](02_a_layer.ipynb), many neurons and all samples at once, without a
#   loop.
