# %% [markdown]
# # 01 One neuron: learning is walking downhill
#
# ## What you will build
#
# The smallest thing that learns: one neuron with two numbers inside. From five examples it finds
# out how degrees Celsius become degrees Fahrenheit: times 1.8, plus 32. You know that answer
# already, so you can judge what the neuron finds. A network is nothing but many of these, and
# learns in the same way.
#
# ## What you need
#
# School calculus: what a derivative is, and the chain rule. From page 00 only that samples are
# numbers.
#
# ## Symbols
#
# | formula | code | meaning |
# |---|---|---|
# | $x$ | `x` | the input |
# | $w, b$ | `w`, `b` | weight and bias: the two numbers that the neuron learns |
# | $y = x w + b$ | `y` | the output |
# | $t$ | `t` | the target: what the output should be |
# | $L$ | `loss(y, t)` | the loss: one number that says how wrong the output is |
# | $\partial L/\partial w$ | `dw` | derivative of the loss with respect to `w`; also `db`, `dy` |
# | $a$ | `learning_rate` | how large a step is, compared with the slope |
# | $h$ | `h` | a small step |
#
# All of these are single numbers on this page. The letter $y$ has two jobs in this field: beside
# data, as on page 00, `y` holds the right answers; inside a neuron or a layer, `y` is what comes
# out, and the right answer is called the target, `t`.

# %%
import matplotlib.pyplot as plt
import numpy as np

from numpymlp.plots.style import RUN_COLOURS, TRAIN, WRONG, tidy

# %% [markdown]
# ## A neuron and its loss
#
# A neuron multiplies its input by a weight and adds a bias:
#
# $$y = x w + b$$
#
# We measure temperatures in hundreds of degrees, so that all numbers have a size near 1. 50 °C are
# 122 °F: the input $x$ is 0.5, and the target $t$ is 1.22. Start with any weight and bias, say 1
# and 0.


# %%
def neuron(x, w, b):
    return x * w + b


x, t = 0.5, 1.22
w, b = 1.0, 0.0
y = neuron(x, w, b)
print("output", y, "target", t)

# %% [markdown]
# The output is too small. *How* wrong is it? We need one number, 0 if the output is right, and
# larger the further it is off, whether above or below. Half the squared difference will do:
#
# $$L = \tfrac{1}{2} (y - t)^2$$
#
# The half is there to make the derivative simple, as you will see soon.


# %%
def loss(y, t):
    return (y - t) ** 2 / 2


print(f"loss {loss(y, t):.4f}")

# %% [markdown]
# ## Which way is down?
#
# Learning means: change `w` and `b` so that the loss gets smaller. Should `w` grow or shrink? You
# could simply try. **Predict, then run.** The output, 0.5, is below the target, and `x` is
# positive. Will the loss rise or fall if `w` grows a little?

# %%
h = 0.01
before = loss(neuron(x, w, b), t)
after = loss(neuron(x, w + h, b), t)
print(f"loss before {before:.6f}, after {after:.6f}, change {after - before:+.6f}")
print(f"change of the loss for each unit of w: {(after - before) / h:.4f}")

# %% [markdown]
# It falls: a larger `w` gives a larger output, nearer to the target. The last line is a *slope*. It
# says how fast the loss changes as `w` grows, and what you just did is called a *finite
# difference*: move a number by $h$, look how the loss moves, divide.
#
# You can do better with the same idea. Step once to the right and once to the left, and divide by
# the whole way. This *central* difference does not prefer a side:
#
# $$\frac{\partial L}{\partial w} \approx \frac{L(w + h) - L(w - h)}{2h}$$


# %%
def slope(f, at, h=1e-5):
    """Central difference: the slope of f, a function of one number, at a point."""
    return (f(at + h) - f(at - h)) / (2 * h)


numeric_dw = slope(lambda w: loss(neuron(x, w, b), t), w)
numeric_db = slope(lambda b: loss(neuron(x, w, b), t), b)
print(f"slope for w {numeric_dw:.6f}, for b {numeric_db:.6f}")

# %% [markdown]
# ## The same by calculus
#
# A finite difference costs two runs of the neuron for each number that it learns. A network has
# hundreds of thousands of numbers, so trying each is hopeless. Calculus gives all slopes at once.
#
# The loss depends on $y$, and $y$ depends on $w$. The chain rule says: multiply the derivatives
# along the way.
#
# $$\frac{\partial L}{\partial w} =
# \frac{\partial L}{\partial y} \cdot \frac{\partial y}{\partial w}$$
#
# Each factor is simple. $L = \frac{1}{2}(y - t)^2$ has the derivative $y - t$; here the half pays
# off. $y = x w + b$ has the derivative $x$ with respect to $w$, and 1 with respect to $b$. So
#
# $$\frac{\partial L}{\partial y} = y - t, \qquad
# \frac{\partial L}{\partial w} = \frac{\partial L}{\partial y}\, x, \qquad
# \frac{\partial L}{\partial b} = \frac{\partial L}{\partial y}$$
#
# The curly $\partial$ is read like the $d$ of school; it says that there are other variables, which
# stand still. In code we leave out the "$\partial L$", which is always there: `dw` is
# $\partial L/\partial w$.

# %%
dy = y - t
dw = dy * x
db = dy
print(f"dy {dy:.4f}, dw {dw:.4f}, db {db:.4f}")
print(f"against the finite differences: {abs(dw - numeric_dw):.1e}, {abs(db - numeric_db):.1e}")

# %% [markdown]
# They agree to eleven digits. Remember this pair: **calculus gives the derivative fast, a finite
# difference says whether you made a mistake.** Every derivative in this course, and every one in
# the package, has gone through this comparison.
#
# What the slope means in a picture: it is the steepness of the tangent.

# %%
weights = np.linspace(0, 4.6, 100)
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
axes.plot(weights, loss(neuron(x, weights, b), t), color=TRAIN, label="loss")
near = np.array([0.2, 1.8])
tangent = loss(y, t) + dw * (near - w)
axes.plot(near, tangent, color=WRONG, linestyle="--", label=f"tangent, slope {dw:.2f}")
axes.plot(w, loss(y, t), "o", color=WRONG)
tidy(axes, "The loss as the weight changes: at w = 1 the way down is to the right", "w", "loss")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# The curve is a parabola. A negative slope says: down is to the right, so `w` must grow. A positive
# slope would say: it must shrink. In both cases the step goes *against* the slope.

# %% [markdown]
# ## How small a step?
#
# The slope was taken with $h = 10^{-5}$. Why not smaller still, since a derivative is the limit of
# ever smaller steps? Try it. A parabola is too simple here: on it a central difference is exact at
# any step, since what is too much on the right is too little on the left. Take $e^z$ at $z = 1$.
# Its derivative is known: $e^z$ again.
#
# **Predict, then run.** From $h = 1$ down to $10^{-15}$, does the error fall all the way?

# %%
steps = 10.0 ** np.arange(0, -16, -1)
central = [abs(slope(np.exp, 1.0, h) - np.e) for h in steps]
one_sided = [abs((np.exp(1 + h) - np.exp(1)) / h - np.e) for h in steps]
figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
axes.loglog(steps, one_sided, "s--", color=RUN_COLOURS[1], label="one-sided difference")
axes.loglog(steps, central, "o-", color=TRAIN, label="central difference")
tidy(axes, "Too large a step is wrong, and so is too small a one", "step h", "error", grid="both")
axes.legend(frameon=False)
plt.show()
print(f"error of the central difference at h = 1e-05: {central[5]:.1e}")

# %% [markdown]
# No. Read the picture from right to left. At first the error falls with $h$: that is the error of
# calculus, the curve is not straight over a wide step. The central difference falls faster, 100
# times for each step 10 times smaller, because its errors on the two sides cancel in part.
#
# Then the error grows again. The computer keeps about 16 digits of a number. If the two values
# differ only in the last of them, their difference has few digits that mean anything, and dividing
# by a tiny $h$ makes their error huge. The best place lies between. Near $h = 10^{-5}$ both errors
# are small, that of the curve and that of rounding, and that is the step which the whole course
# uses.

# %% [markdown]
# ## Walking downhill
#
# Now learn. Take a step against the slope, in proportion to it:
#
# $$w \leftarrow w - a\, \frac{\partial L}{\partial w}, \qquad
# b \leftarrow b - a\, \frac{\partial L}{\partial b}$$
#
# $a$ is called the *learning rate*, `learning_rate` in code. This is *gradient descent*; "gradient"
# is the word for all slopes of a loss together. Try 0.5 for now.

# %%
learning_rate = 0.5
w, b = 1.0, 0.0
for step in range(10):
    y = neuron(x, w, b)
    dy = y - t
    w -= learning_rate * dy * x
    b -= learning_rate * dy
    print(f"step {step}: output before it {y:.4f}, loss {loss(y, t):.6f}")
print(f"w = {w:.3f}, b = {b:.3f}")

# %% [markdown]
# The output reaches 1.22. But the neuron has not understood temperatures: it found $w = 1.29$ and
# $b = 0.58$, not 1.8 and 0.32. It does what it was asked for, and only for this one sample. Many
# pairs of numbers turn 0.5 into 1.22. To know which one is meant, it needs more samples.

# %% [markdown]
# ## Five samples
#
# The loss of several samples is the *mean* of their losses, so that it does not depend on how many
# they are. The derivative of a mean is the mean of the derivatives.

# %%
celsius = np.array([-20.0, 0.0, 20.0, 50.0, 100.0])
xs, ts = celsius / 100, (1.8 * celsius + 32) / 100


def mean_gradient(w, b):
    dw = db = 0.0
    for x, t in zip(xs, ts, strict=True):
        dy = neuron(x, w, b) - t
        dw += dy * x / len(xs)
        db += dy / len(xs)
    return dw, db


# %% [markdown]
# Before you trust it, compare it with finite differences. The loss as a function of `w` and `b` is
# one line, because `neuron` also works on the whole array `xs`.


# %%
def mean_loss(w, b):
    return loss(neuron(xs, w, b), ts).mean()


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
# There it is: times 1.8, plus 0.32 hundreds of degrees. Nobody told the neuron these numbers. They
# are what makes the loss small.
#
# The picture shows the way that it went. Each point of the plane is one neuron, with its weight and
# bias; each line joins neurons of equal loss, as a line on a hiking map joins places of equal
# height.

# %% tags=["main"]
ws, bs = np.meshgrid(np.linspace(0.6, 2.4, 60), np.linspace(-0.15, 0.95, 60))
heights = np.mean([loss(neuron(x, ws, bs), t) for x, t in zip(xs, ts, strict=True)], axis=0)
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
axes.contour(ws, bs, heights, levels=[0.001, 0.005, 0.02, 0.05, 0.1, 0.2], colors="0.6")
axes.plot(path[:, 0], path[:, 1], "o-", color=TRAIN, markersize=4, label="100 steps")
axes.plot(1.8, 0.32, "*", color=WRONG, markersize=16, label="w = 1.8, b = 0.32")
tidy(axes, "Downhill to the neuron that knows temperatures", "weight w", "bias b")
axes.legend(framealpha=1)
plt.show()

# %% [markdown]
# The first step is long, because the slope is steep there. In the flat valley the steps become
# short although the learning rate stays the same: the slope itself is small. And the way is no
# straight line to the goal. The neuron does not see the goal, only the slope under its feet.

# %% [markdown]
# ## The learning rate
#
# **Predict, then run.** What happens with a learning rate 50 times smaller, and what with one twice
# as large?

# %%
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
for rate, colour in zip((0.02, 1.0, 2.0), RUN_COLOURS, strict=False):
    losses = [mean_loss(w, b) for w, b in train(rate, 40)]
    axes.semilogy(losses, color=colour, label=f"learning rate {rate}")
tidy(axes, "Too small is slow, too large climbs at every step", "step", "loss", grid="both")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# The small one is right, and slow. With 2.0, every step leaps across the valley and lands higher on
# the other side, where the slope is steeper still, so the next leap is longer. The loss grows
# without end. Nothing is wrong with the gradient there: the step is too large for this valley.
# There is no formula for the best learning rate; you will learn to see from such curves whether to
# go up or down with it.
#
# ## Checks

# %%
assert gradient_error < 1e-7
assert abs(w - 1.8) < 1e-3
assert abs(b - 0.32) < 1e-3
assert mean_loss(*train(2.0, 40)[-1]) > mean_loss(1.0, 0.0)
print(f"25 °C are {100 * neuron(0.25, w, b):.1f} °F")

# %% [markdown]
# 25 °C was not among the samples. 77.0 °F is right.
#
# ## In five lines
#
# 1. A neuron computes $y = x w + b$; the loss says in one number how wrong that is.
# 2. The chain rule gives the slopes: `dy = y - t`, `dw = dy * x`, `db = dy`.
# 3. A central difference, $(L(w + h) - L(w - h)) / 2h$ with $h = 10^{-5}$, tells whether they are
#    right.
# 4. Gradient descent steps against the slope: `w -= learning_rate * dw`.
# 5. One sample leaves much open; the loss of many is the mean of theirs, and so is the gradient.
#
# ## Exercises
#
# Fill in `tutorials/exercises/01_one_neuron.py`. Then `pytest tutorials/exercises -k 01`, run from
# the repository's root, tells you what is still wrong.
#
# ## Read next
#
# In the package: the class `MeanSquaredError` in `numpymlp/losses.py`; its last line is your
# `dy = y - t`, divided by the number of samples. In the course: `02_a_layer.py`, many neurons and
# all samples at once, without a loop.
