# %% [markdown]
# # 04 A hidden layer: what it buys
#
# ## What you will build
#
# A network of three neurons that solves a task no single layer can solve, with weights that you
# choose by hand. Then you watch networks with 1, 2, 3 and 8 hidden neurons draw the border between
# two classes, bend by bend. How a network finds its weights itself is the next page.
#
# ## What you need
#
# [Page 02](02_a_layer.ipynb): a layer is `x @ W + b`. [Page 03](03_softmax.ipynb): the class with
# the larger logit is the decision.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | `(N, in)` | inputs |
# | $W_1, b_1$ | `W1`, `b1` | `(in, H)`, `(H,)` | first layer: $H$ hidden neurons |
# | $z_1 = x W_1 + b_1$ | `z1` | `(N, H)` | its output |
# | $u$ | `hidden` | `(N, H)` | $z_1$ after the activation function: input of the second layer |
# | $W_2, b_2$ | `W2`, `b2` | `(H, K)`, `(K,)` | second layer: $K$ outputs |
# | $z = u W_2 + b_2$ | `z` | `(N, K)` | its output |
#
# A *hidden* neuron is one whose output only the network itself sees.

# %%
import matplotlib.pyplot as plt
import numpy as np
from drawing import draw, you_are_here

import numpymlp
from numpymlp import plots
from numpymlp.plots.style import QUIET, TRAIN, VALIDATION, WRONG, tidy

# %matplotlib inline

# %% tags=["hide-input"]
you_are_here("a hidden layer: everything between the input and the last layer", 1, 2)

# %% [markdown]
# ## Four points that no line separates
#
# Page 03 ended with a limit: in one layer, each input votes on its own. The smallest task that
# shows it is *exclusive or*, XOR: two inputs, each 0 or 1. The answer is 1 if exactly one of them
# is 1.
#
# One neuron decides by the sign of $w_1 x_1 + w_2 x_2 + b$. Where this is 0 lies a straight line,
# with one answer on each side. Four points, two of each class: how hard can it be?
#
# **Predict, then run.** Draw 100,000 lines at random. How many of the four answers does the best of
# them get right?

# %% tags=["hide-output"]
corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
xor = np.array([0, 1, 1, 0])
rng = np.random.default_rng(0)
lines, biases = rng.normal(size=(2, 100_000)), rng.normal(size=100_000)
decisions = corners @ lines + biases > 0  # (4, 100,000)
right = (decisions == xor[:, None]).sum(axis=0)
for count in range(5):
    print(f"{count} of 4 right: {(right == count).sum():6,} lines")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Three, never four. No search would help. For the answers of XOR, the neuron needs
#
# - $b \le 0$ for the point (0, 0), and $w_1 + w_2 + b \le 0$ for (1, 1): their sum
#   $w_1 + w_2 + 2b$ is at most 0.
# - $w_2 + b > 0$ for (0, 1), and $w_1 + b > 0$ for (1, 0): their sum, the same
#   $w_1 + w_2 + 2b$, is more than 0.
#
# Both cannot hold.
#
# </details>
#
# ## Two bent lines
#
# Now put a layer of two neurons in between. Both add the inputs, and the second has a bias of -1.
# Each replaces negative numbers by 0: $u = \max(z_1, 0)$. This function is called *ReLU* (rectified
# linear unit). Take these weights, chosen by hand:
#
# $$W_1 = \begin{pmatrix} 1 & 1 \\ 1 & 1 \end{pmatrix} \quad b_1 = (0, -1) \qquad
# W_2 = \begin{pmatrix} 1 \\ -2 \end{pmatrix} \quad b_2 = -\tfrac{1}{2}$$

# %%
W1, b1 = np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([0.0, -1.0])
W2, b2 = np.array([[1.0], [-2.0]]), np.array([-0.5])


def network_output(x):
    hidden = np.maximum(x @ W1 + b1, 0)
    return hidden @ W2 + b2


hidden, z = np.maximum(corners @ W1 + b1, 0), network_output(corners)
print("  x1 x2 | u1 u2 |    z  answer")
for point, u, output in zip(corners, hidden, z[:, 0], strict=True):
    print(f"{point[0]:4.0f}{point[1]:3.0f} |{u[0]:3.0f}{u[1]:3.0f} | {output:4.1f}  {output > 0:d}")

# %% [markdown]
# Compute the row of (1, 1) by hand: both inputs are 1, so the first hidden neuron gives 2, and the
# second $2 - 1 = 1$. The output is $2 - 2 \cdot 1 - \frac{1}{2} = -\frac{1}{2}$: class 0.
#
# The first hidden neuron counts the ones. The second is *on* (its output is more than 0) only where
# both inputs are 1, and the output neuron then subtracts it twice. "This counts only if that is
# missing": exactly what page 03 could not say. The picture shows how:


# %% tags=["hide-input"]
BLUE, YELLOW = "#CFE3F1", "#FBE7BF"
side = np.linspace(-0.6, 2, 200)
plane = np.stack(np.meshgrid(side, side), axis=-1)


def draw_points(axes, points, x_range, y_range):
    for label, marker, colour in ((0, "o", TRAIN), (1, "s", VALIDATION)):
        chosen = points[xor == label]
        axes.plot(*chosen.T, marker, color=colour, markersize=11, label=f"class {label}", zorder=3)
    axes.set(xlim=x_range, ylim=y_range, aspect="equal")
    axes.legend(frameon=False, fontsize=8, loc="upper right")


# %% tags=["hide-input"]
figure, (first, second) = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
tidy(first, "In the plane of the inputs: no line", "$x_1$", "$x_2$")
first.contourf(side, side, network_output(plane)[..., 0], [-9, 0, 9], colors=[BLUE, YELLOW])
for total, style, name in ((0, ":", "fold of neuron 1"), (1, "--", "fold of neuron 2")):
    first.plot(side, total - side, style, color=QUIET, label=name)
draw_points(first, corners, (-0.6, 2), (-0.6, 2))
tidy(second, "In the plane of the hidden outputs: one line", "$u_1$", "$u_2$")
border = (np.array([-0.5, 2.5]) - 0.5) / 2  # the output is 0 where u1 - 2 u2 = 1/2
second.fill_between([-0.5, 2.5], -1, border, color=YELLOW)
second.fill_between([-0.5, 2.5], border, 3, color=BLUE)
draw_points(second, hidden, (-0.5, 2.5), (-1, 2))
plt.show()

# %% [markdown]
# On the left is the plane of the inputs. A ReLU neuron folds it along a line: on one side the
# neuron's output is 0, on the other it grows. The border between the classes, the *decision
# boundary*, can turn only at a fold; here it is two parallel lines, one on each side of the second
# fold. On the right is the plane of the hidden outputs. The first layer has moved the points:
# (0, 1) and (1, 0) now lie on top of each other, and *one* straight line separates the classes.
#
# This is what a hidden layer buys: **new coordinates, in which a straight line is enough**.
#
# ## The network, drawn
#
# The same network as boxes and lines, with the numbers of the sample (1, 1).
# ([drawing.py](drawing.py) draws it: `numpymlp.explain.trace` runs a sample forward and back and
# records every number, and `plots.pass_through` makes the picture.)

# %% tags=["hide-input"]
loss = numpymlp.SigmoidCrossEntropy()
draw([(W1, b1), (W2, b2)], corners[3:], [[0.0]], "XOR by hand, the sample (1, 1)", loss, "sigmoid")

# %% [markdown]
# Look at the blue numbers for now: the values, from the inputs on the left to the output. Each line
# with numbers on it is a weight. Each box under "Dense" adds what arrives, and its bias. (The last
# two boxes are the probability of class 1, which is the *sigmoid* of $z$, $1 / (1 + e^{-z})$, and
# the loss.) The orange numbers are gradients: page 05 computes them, one by one.
#
# ## Why something bent?
#
# **Predict, then run.** Keep all weights, and leave out ReLU. What does the network answer for the
# four points? And is there one layer that gives the same outputs?

# %% tags=["hide-output"]
straight = (corners @ W1 + b1) @ W2 + b2
W, b = W1 @ W2, b1 @ W2 + b2
print("two layers without ReLU", straight[:, 0])
print("one layer              ", (corners @ W + b)[:, 0], " with W =", W[:, 0], "and b =", b)

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# The output falls steadily with the number of ones: 1.5, 0.5, 0.5, -0.5. It is a single layer
# again, with $W = W_1 W_2$ and $b = b_1 W_2 + b_2$, because
#
# $$(x W_1 + b_1) W_2 + b_2 = x (W_1 W_2) + (b_1 W_2 + b_2)$$
#
# A hundred layers would be one layer as well.
#
# </details>
#
# So a function that is not a straight line must stand between two layers: an *activation function*.
# It works on each number alone. These three are the usual ones:

# %% tags=["hide-input"]
axis = np.linspace(-5, 5, 401)
sigmoid = 1 / (1 + np.exp(-axis))
curves = {
    "ReLU: max(z, 0)": (np.maximum(axis, 0), 1.0 * (axis > 0)),
    "sigmoid: 1 / (1 + exp(-z))": (sigmoid, sigmoid * (1 - sigmoid)),
    "tanh": (np.tanh(axis), 1 - np.tanh(axis) ** 2),
}
figure, panels = plt.subplots(1, 3, figsize=(8, 2.7), layout="constrained")
for axes, (name, (value, slope)) in zip(panels, curves.items(), strict=True):
    axes.plot(axis, value, color=TRAIN, linewidth=2, label="value")
    axes.plot(axis, slope, "--", color=WRONG, label="slope")
    axes.set(ylim=(-1.2, 2.2), xticks=[-5, 0, 5], yticks=[-1, 0, 1, 2])
    tidy(axes, name, "z", grid="both")
panels[0].legend(frameon=False, fontsize=8, loc="upper left")
plt.show()

# %% [markdown]
# Any of them makes a hidden layer useful. Why is ReLU the usual choice today? Look at the slopes.
# Gradients are multiplied by the slope of each activation function that they pass, as page 05
# will show. The slope of a sigmoid is nowhere more than 1/4, and nearly 0 where the curve is flat.
# The slope of ReLU is exactly 1 wherever the neuron is on.

# %%
for depth in (1, 5, 10):
    print(f"{depth:2} layers: at best {0.25**depth:.0e} with sigmoid, {1.0**depth:.0f} with ReLU")

# %% [markdown]
# The price: a neuron that is off has the slope 0, and if it is off for every sample, it no longer
# learns. Page 10 shows both failures: gradients that vanish, and neurons that stay off.
#
# ## Two moons: how many bends?
#
# Real data is not four points. Here are 200 points in two half moons, one for each class. Networks
# with one hidden layer learn to separate them. How they learn is the topic of the next pages; here
# only the result counts: which border can a network draw with 1, 2, 3 or 8 hidden neurons?

# %%
rng = np.random.default_rng(4)
angle, y = np.pi * rng.random(200), np.arange(200) % 2
x = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1 - 2 * y)[:, None]  # class 1: turned over
x += y[:, None] * [1, 0.6] + 0.1 * rng.normal(size=x.shape)
axis0, axis1, grid = plots.boundary_grid(x)


def pictures_of(units, moments):
    """Train a network; return it, and its probabilities in the plane after some of the steps."""
    network = numpymlp.mlp([2, units, 2], rng=np.random.default_rng(3), dtype=np.float64)
    loss, optimizer, frames = numpymlp.SoftmaxCrossEntropy(), numpymlp.Adam(0.03), []
    for step in range(max(moments) + 1):
        if step in moments:
            frames.append(network.predict_proba(grid))
        loss.forward(network.forward(x), y)
        network.backward(loss.backward())
        optimizer.step(network.parameters, network.gradients)
    return network, frames


# %% [markdown]
# **Predict, then run.** Each hidden neuron folds the plane once. How many are needed?

# %% tags=["main", "hide-output"]
right_share, strip = {}, []
for units in (1, 2, 3, 8):
    network, frames = pictures_of(units, [500])
    right_share[units] = (network.predict(x) == y).mean()
    strip += frames
names = [f"{units} hidden" for units in right_share]
title = "One hidden layer, after 500 steps"
figure = plots.boundary_filmstrip(axis0, axis1, strip, x, y, frame_titles=names, title=title)
figure.set_dpi(80)
figure

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Three can be enough. One hidden neuron draws a straight line, as a network without a hidden layer
# does. Every further neuron gives one more fold. The border bends where it crosses a fold; a border
# that crosses none stays straight. Above each picture stands how many of the 200 points are wrong.
# (Colour shows the more probable class, a black line the border, a cross a wrong answer.)
#
# </details>
#
# More neurons than needed make the search easier. Put other numbers into `default_rng(3)` and run
# the cells again: with three neurons many starts get stuck with a worse border, with eight few do.
#
# The network with 8 neurons again, at four moments of its training:

# %% tags=["hide-input"]
moments = [0, 20, 60, 500]
network, frames = pictures_of(8, moments)
figure = plots.boundary_filmstrip(
    axis0, axis1, frames, x, y, frame_titles=[f"{step} steps" for step in moments]
)
figure.set_dpi(80)
figure

# %% [markdown]
# It begins with random folds. Then the folds move to where the data needs them.
#
# ## Checks

# %%
assert right.max() == 3
assert np.array_equal(z[:, 0] > 0, xor == 1)
assert np.array_equal(straight, corners @ W + b)
assert right_share[1] < 0.95
assert right_share[8] > 0.98
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. One layer draws a straight line; XOR needs more.
# 2. Two layers without a function between them are one layer.
# 3. An activation function is no straight line. ReLU, $\max(z, 0)$, folds the plane along a line.
# 4. The hidden layer gives the points new coordinates, in which a straight line separates them.
# 5. The slope of ReLU is 1 or 0; the slope of a sigmoid is at most 1/4.
#
# ## Exercises
#
# Fill in [exercises/04_a_hidden_layer.py](exercises/04_a_hidden_layer.py). Then run
# `.venv/bin/pytest tutorials/exercises -k 04` from the root of the repository: it tells you what is
# still wrong.
#
# ## Read next
#
# - In the package: `ReLU`, `Sigmoid` and `Tanh` in [layers.py](../numpymlp/layers.py).
# - In the course: [05 Backpropagation](05_backpropagation.ipynb), how a network with a hidden layer
#   finds its weights itself.
