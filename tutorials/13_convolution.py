# %% [markdown]
# # 13 Convolution: a layer that knows which pixels are neighbours
#
# ## What you will build
#
# First you find out what a dense layer cannot know about a picture. Then you build the layer that
# knows it: a small filter that slides over the picture. You write it as a loop, turn it into one
# matrix product, derive its backward pass, and compare it with the package's `Conv2D`. At the end,
# a network with two such layers reaches 99 % on MNIST in about a minute.
#
# ## What you need
#
# [Page 06](06_layers_as_classes.ipynb): a layer as a class with `forward` and `backward`. [Page
# 07](07_gradient_checking.ipynb): a random upstream gradient. From page 05: if a number acts along
# several paths, the slopes are added.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $N$ | `len(x)` | | number of images in the batch |
# | $x$ | `x` | `(N, H, W, C)` | images: rows, columns, channels |
# | $k$ | `k` | | rows and columns of a filter |
# | $W$ | `W` | `(k, k, C, F)` | the weights of $F$ filters |
# | $b$ | `b` | `(F,)` | one bias for each filter |
# | $y$ | `y` | `(N, h, w, F)` | outputs: $h = H - k + 1$ rows, $w = W - k + 1$ columns |
# | | `rows` | `(N h w, k k C)` | every window of every image, as a row |
# | $\partial L/\partial y$ | `dy` | as `y` | the upstream gradient |
# | $\partial L/\partial W$, ... | `dW`, `db`, `dx` | as `W`, `b`, `x` | the gradients |
#
# A *channel* is one number for each pixel. MNIST has one channel, the ink, so $C = 1$. A colour
# picture has three. In `(N, H, W, C)` and in $w = W - k + 1$, $W$ stands for the width of the
# image; everywhere else it is the weights.

# %%
import math
import time

import matplotlib.pyplot as plt
import numpy as np
from drawing import you_are_here
from numpy.lib.stride_tricks import sliding_window_view

import numpymlp
from numpymlp import check_layer, load_mnist, minibatches
from numpymlp.plots.style import DIVERGING, WRONG

(x_train, y_train), (x_test, y_test) = load_mnist()

# %matplotlib inline

# %% tags=["hide-input"]
you_are_here("the first layer, which gets an image", 0, 1)

# %% [markdown]
# ## What a dense layer cannot know
#
# A dense layer gets 784 pixels as 784 numbers in a row. Draw one random order of the 784 places,
# and shuffle the pixels of all images in this same order. Nobody can read the lower row:

# %%
rng = np.random.default_rng(0)
shuffle = rng.permutation(784)
figure, axes = plt.subplots(2, 8, figsize=(8, 2.2), layout="constrained")
for column in range(8):
    for row, pixels in enumerate((x_test[column], x_test[column, shuffle])):
        axes[row, column].imshow(pixels.reshape(28, 28), cmap="gray_r")
        axes[row, column].set_axis_off()
plt.show()

# %% [markdown]
# **Predict, then run.** Train a network with one hidden layer on the pictures, and another on the
# shuffled pictures, one epoch each. How much accuracy does the second one lose?


# %%
def train(network, x, y, epochs=1, learning_rate=2e-3, batch_size=64):
    """Train with Adam; the learning rate falls linearly to 0."""
    rng = np.random.default_rng(1)
    loss, optimizer = numpymlp.SoftmaxCrossEntropy(), numpymlp.Adam()
    left, steps = 1.0, epochs * math.ceil(len(x) / batch_size)
    for _ in range(epochs):
        for rows, classes in minibatches(x, y, batch_size, rng):
            optimizer.learning_rate = learning_rate * left
            loss.forward(network.forward(rows, training=True), classes)
            network.backward(loss.backward())
            optimizer.step(network.parameters, network.gradients)
            left -= 1 / steps


def accuracy(network, x):
    return (network.predict(x) == y_test).mean()


# %% tags=["hide-output"]
dense = numpymlp.mlp([784, 32, 10], rng=np.random.default_rng(1))
dense_shuffled = numpymlp.mlp([784, 32, 10], rng=np.random.default_rng(2))
train(dense, x_train, y_train)
train(dense_shuffled, x_train[:, shuffle], y_train)
print(f"pictures as they are: {accuracy(dense, x_test):.2%}")
print(f"pixels shuffled:      {accuracy(dense_shuffled, x_test[:, shuffle]):.2%}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Nothing, or a little by chance: the two networks began with different random weights.
#
# </details>
#
# The reason is in the formula. Each hidden neuron adds up all pixels times their weights, and a sum
# does not depend on the order of its terms. So take the trained network, and put the *rows of its
# first weight matrix* into the same order as the pixels. It must give the same outputs:

# %%
first = dense.layers[0]
straight = x_test.astype(np.float64) @ first.W
shuffled = x_test[:, shuffle].astype(np.float64) @ first.W[shuffle]
order_gap = np.abs(straight - shuffled).max()
print(f"largest difference of the hidden outputs: {order_gap:.0e}")

# %% [markdown]
# For a dense layer, a picture and its shuffled twin are the same task. It does not know that two
# pixels touch, or that a stroke looks the same at the left and at the right. It must learn this
# from the images, again for every place. Let us build it into the layer.
#
# ## A filter, by hand
#
# Two ideas. First, *neighbours*: an output looks at a small window of the picture only, here three
# by three pixels. Second, *the same everywhere*: the window slides over the picture, and at every
# place it uses the same nine weights. These weights are called a *filter*. This one has positive
# weights above and negative weights below:

# %%
image = x_test[0].reshape(28, 28).astype(np.float64)
edge = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -1.0, -1.0]])
window = image[9:12, 10:13]
print(window.round(2))
print("sum of the nine products:", (window * edge).sum().round(2))

# %% [markdown]
# That is one output. Two loops slide the window over all places. In 28 rows, only 26 windows of
# height 3 fit: $28 - 3 + 1 = 26$.

# %%
slid = np.zeros((26, 26))
for row in range(26):
    for column in range(26):
        slid[row, column] = (image[row : row + 3, column : column + 3] * edge).sum()

figure, axes = plt.subplots(1, 3, figsize=(8, 3), layout="constrained")
panels = (image, "gray_r", 1), (edge, DIVERGING, 1.5), (slid, DIVERGING, 3)
for panel, (picture, colours, limit), name in zip(
    axes, panels, ("image 28 x 28", "filter 3 x 3", "output 26 x 26"), strict=True
):
    panel.imshow(picture, cmap=colours, vmin=0 if picture is image else -limit, vmax=limit)
    panel.set_title(name, loc="left")
    panel.set_axis_off()
for row, column in np.ndindex(3, 3):
    axes[1].text(column, row, f"{edge[row, column]:.0f}", ha="center", va="center", fontsize=14)
axes[0].add_patch(plt.Rectangle((9.5, 8.5), 3, 3, fill=False, edgecolor=WRONG, linewidth=2))
axes[2].add_patch(plt.Rectangle((9.5, 8.5), 1, 1, fill=False, edgecolor=WRONG, linewidth=2))
plt.show()

# %% [markdown]
# The output is red where there is ink above and none below: the lower edges of strokes. It is blue
# at the upper edges, and white where nothing changes. The orange window of the image gives the
# orange pixel of the output. This filter was made by hand. A network learns its filters.
#
# How many weights does this save? From 784 pixels to 26 x 26 = 676 outputs, a dense layer has
# $784 \cdot 676$ weights, about half a million. The filter has 9.
#
# (Mathematicians flip the filter first and call the result without the flip *cross-correlation*. In
# all libraries, convolution means what you see here. For a learned filter it makes no difference.)
#
# ## All windows as a matrix
#
# Loops over pixels are slow in Python. Page 02 replaced such loops by `@`. Here this works too: put
# each window into a *row* of nine numbers, all rows below each other, and the filter into a column.
# One product then gives all outputs. NumPy has a function for the windows.

# %%
windows = sliding_window_view(image, (3, 3))
print("windows", windows.shape)
rows = windows.reshape(26 * 26, 9)
product = rows @ edge.reshape(9, 1)
loop_gap = np.abs(product.reshape(26, 26) - slid).max()
print("rows", rows.shape, "@ filter (9, 1) ->", product.shape)
print(f"largest difference from the loops: {loop_gap:.0e}")

# %% [markdown]
# This is called *im2col*. A pixel inside the image stands in nine windows, so the matrix holds
# almost eight times as many numbers as the image (pixels at the border stand in fewer windows).
# That is the price for a fast product.
#
# **Predict, then run.** Now a batch of images with several channels, and several filters. Each
# window has $k \cdot k \cdot C$ numbers; each filter is a column of as many weights. Take 5 images
# of 8 x 7 pixels with 2 channels, and 4 filters of 3 x 3. What are the shapes of `rows` and of the
# output?


# %% tags=["hide-output"]
def windows_as_rows(x, k):
    """Return every window of every image as a row: (N, H, W, C) -> (N h w, k k C)."""
    windows = sliding_window_view(x, (k, k), axis=(1, 2))  # (N, h, w, C, k, k)
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, k * k * x.shape[3])


def forward(x, W, b):
    n, height, width, _ = x.shape
    k, _, _, filters = W.shape
    # y = rows W + b    (N h w, k k C) @ (k k C, F) + (F,) -> (N h w, F)
    y = windows_as_rows(x, k) @ W.reshape(-1, filters) + b
    return y.reshape(n, height - k + 1, width - k + 1, filters)


x = rng.normal(size=(5, 8, 7, 2))
W, b = rng.normal(size=(3, 3, 2, 4)), rng.normal(size=4)
y = forward(x, W, b)
print("rows", windows_as_rows(x, 3).shape, "  y", y.shape)

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# $5 \cdot 6 \cdot 5 = 150$ windows of $3 \cdot 3 \cdot 2 = 18$ numbers; four outputs for each.
#
# </details>
#
# The `transpose` only puts the axes of a window in the order of `W`: row, column, channel.
#
# So a convolution is a dense layer whose samples are windows. This is nearly the whole backward
# pass too.
#
# ## Backward: the weights
#
# Page 02: `dW = x.T @ dz`, and `db` is the sum of `dz` over the samples. Here the samples are the
# rows.


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
errors = {}


def compare(name, gradient, array):
    """Compare with finite differences of a loss whose gradient at y is dy."""
    numeric = numeric_gradient(lambda: (forward(x, W, b) * dy).sum(), array)
    errors[name] = error = np.abs(gradient - numeric).max()
    print(f"{name:10}{gradient.shape!s:14} error {error:.1e}{'' if error < 1e-7 else '   WRONG'}")


# %%
dy = rng.normal(size=y.shape)
# dL/dW = rows^T dL/dy    (k k C, N h w) @ (N h w, F) -> (k k C, F)
dW = (windows_as_rows(x, 3).T @ dy.reshape(-1, 4)).reshape(W.shape)
# dL/db = sum over images and places of dL/dy    (N h w, F) -> (F,)
db = dy.reshape(-1, 4).sum(axis=0)
compare("dW", dW, W)
compare("db", db, b)

# %% [markdown]
# A filter acts at every place, so its gradient is a sum over all images *and all places*.
#
# ## Backward: the image
#
# The rule of page 05, `dx = dz @ W.T`, gives the gradient of each *row*, that is, of each window.
# But the windows overlap, and a pixel stands in up to nine of them. A first try: write the gradient
# of each window to its place in the image.


# %%
def input_gradient(dy, W, shape, overlap):
    k, (_, h, w, _) = W.shape[0], dy.shape
    dx = np.zeros(shape)
    for i, j in np.ndindex(k, k):
        # Pixel (i, j) of every window gets dL/dy W[i, j]^T    (N, h, w, F) @ (F, C)
        share = dy @ W[i, j].T
        if overlap == "write":
            dx[:, i : i + h, j : j + w] = share
        else:
            dx[:, i : i + h, j : j + w] += share
    return dx


compare("dx, write", input_gradient(dy, W, x.shape, "write"), x)

# %% [markdown]
# Wrong: each window overwrites what others have written. A pixel acts along several paths, one for
# each window, and the slopes of several paths are *added*.

# %%
dx = input_gradient(dy, W, x.shape, "add")
compare("dx, add", dx, x)

# %% [markdown]
# The loop runs over the nine places *inside* a window, not over the windows: all windows of all
# images go at once. How many windows is each pixel in? Let all of `dy` and `W` be 1, and look:

# %%
counts = input_gradient(np.ones((1, 6, 6, 1)), np.ones((3, 3, 1, 1)), (1, 8, 8, 1), "add")
print(counts[0, :, :, 0].astype(int))

# %% [markdown]
# ## The layer, and the package's
#
# The same lines as a class, and the same numbers from the package's `Conv2D`.


# %%
class Conv2D:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.cache = x
        return forward(x, self.W, self.b)

    def backward(self, dy):
        x, (k, _, _, filters) = self.cache, self.W.shape
        flat = dy.reshape(-1, filters)
        self.dW = (windows_as_rows(x, k).T @ flat).reshape(self.W.shape)
        self.db = flat.sum(axis=0)
        return input_gradient(dy, self.W, x.shape, "add")


# %%
ours, theirs = Conv2D(W, b), numpymlp.Conv2D(2, 4, 3, rng=rng)
theirs.W, theirs.b = W, b
gaps = {"y": np.abs(ours.forward(x) - theirs.forward(x, training=True)).max()}
gaps["dx"] = np.abs(ours.backward(dy) - theirs.backward(dy)).max()
gaps["dW"] = np.abs(ours.dW - theirs.dW).max()
gaps["db"] = np.abs(ours.db - theirs.db).max()
print("  ".join(f"{name} {gap:.0e}" for name, gap in gaps.items()))
report = check_layer(numpymlp.Conv2D(2, 4, 3), x)
print(report)

# %% [markdown]
# What else does the package's layer have? A *stride* (the window moves by more than one pixel), and
# zeros around the image, so that the output keeps its size (`padding="same"`).
#
# ## Make the picture smaller
#
# It is enough to know *roughly* where an edge is. *Max pooling* keeps the largest number of every 2
# x 2 square, channel by channel. A quarter of the numbers is left, and the next layer's windows see
# more of the picture. (Below we leave out the seventh column of `x`, which has no partner.)


# %%
def max_pool(x):
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


pool = numpymlp.MaxPool2D(2)
pool_gap = np.abs(max_pool(x[:, :, :6]) - pool.forward(x[:, :, :6])).max()
print("difference from the package:", pool_gap)
print(x[0, :2, :4, 0].round(2), "->", max_pool(x[:, :, :6])[0, 0, :2, 0].round(2))
dy_pool = np.ones((5, 4, 3, 2))
print(pool.backward(dy_pool)[0, :2, :4, 0])

# %% [markdown]
# In the backward pass, the largest pixel of a square gets the whole gradient. The others get 0: if
# they grow a little, the output does not change. It is the rule of ReLU again.
#
# ## A network for images
#
# Two convolutions, each with max pooling and ReLU, then two dense layers. Networks of this shape
# read cheques in the 1990s (LeNet-5, by LeCun and others).

# %%
network = numpymlp.lenet((8, 16), 64, batch_norm=True, rng=np.random.default_rng(1))
print(network.summary())

# %% [markdown]
# The second convolution has filters of 5 x 5 x 8: each looks at all eight outputs of the first.
# `BatchNorm` is the layer that page 07 checked. Here it keeps the outputs of a convolution at a
# steady size, so that larger steps are safe. Now train all this for four epochs:

# %%
started = time.process_time()
train(network, x_train, y_train, epochs=4, learning_rate=8e-3, batch_size=128)
seconds = time.process_time() - started
network_accuracy = accuracy(network, x_test)
print(f"test accuracy {network_accuracy:.2%}, after {seconds:.0f} s of processor time")

# %% [markdown]
# About one digit in a hundred is misread. The dense network at the top of this page has more
# parameters, 25,450. And on page 09, a dense network with five times as many parameters as this one
# stays near 98 %.
#
# ## Does it know about neighbours?
#
# **Predict, then run.** Back to the shuffled pixels. Train the convolutional network twice more, on
# 10,000 images to save time: once on pictures, once on shuffled pictures. And now?

# %% tags=["hide-output"]
few = slice(10_000)
results = {}
for name, order in (("pictures", np.arange(784)), ("shuffled", shuffle)):
    small = numpymlp.lenet((8, 16), 64, batch_norm=True, rng=np.random.default_rng(1))
    train(small, x_train[few][:, order], y_train[few], epochs=2, learning_rate=6e-3)
    results[name] = accuracy(small, x_test[:, order])
    print(f"{name}: {results[name]:.2%}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Now shuffling costs a lot.
#
# </details>
#
# In a shuffled picture, a window holds pixels from anywhere, and no pattern in it means anything.
# What you know about the data (neighbours belong together) is built into the layer. If it is true,
# the network learns more from fewer images. If it is false, it harms. A dense layer has no such
# opinion.
#
# ## What the filters learned
#
# The eight filters of the first layer, and below each its output for one image, where it is
# positive (on blank paper the output is the bias, so a positive bias gives a grey background):

# %% tags=["main"]
convolution = network.layers[1]
maps = np.maximum(convolution.forward(x_test[:1].reshape(1, 28, 28, 1)), 0)
limit = np.abs(convolution.W).max()
figure, axes = plt.subplots(2, 8, figsize=(8, 2.2), layout="constrained")
for number in range(8):
    filter_image = convolution.W[:, :, 0, number]
    axes[0, number].imshow(filter_image, cmap=DIVERGING, vmin=-limit, vmax=limit)
    axes[1, number].imshow(maps[0, :, :, number], cmap="gray_r", vmin=0, vmax=maps.max())
    axes[0, number].set_axis_off()
    axes[1, number].set_axis_off()
plt.show()

# %% [markdown]
# Ink under a red weight raises the filter's output, ink under a blue weight lowers it. Some filters
# are red on one side and blue on the other, like the one made by hand: they react to the edge of a
# stroke in one direction. Nobody told the network to look for edges. Others have no simple reading,
# and a network with another seed learns other filters.
#
# ## What it costs
#
# The filters have few weights, but each of them is used at every place.

# %%
layers = {
    "first convolution": (25 * 8, 24 * 24),
    "second convolution": (25 * 8 * 16, 8 * 8),
    "dense layers": (256 * 64 + 64 * 10, 1),
}
for name, (weights, uses) in layers.items():
    print(f"{name:19} {weights:7,} weights x {uses:3} places = {weights * uses:8,} multiplications")

# %% [markdown]
# 17 % of the weights do 95 % of the multiplications. This is why one epoch takes longer than that
# of a dense network with as many weights, and why convolution is the first thing that people move
# to a graphics card.
#
# ## Checks

# %%
assert abs(accuracy(dense, x_test) - accuracy(dense_shuffled, x_test[:, shuffle])) < 0.02
assert order_gap < 1e-9
assert loop_gap < 1e-12
assert max(errors[name] for name in ("dW", "db", "dx, add")) < 1e-7
assert errors["dx, write"] > 0.1
assert max(gaps.values()) < 1e-12
assert report.passed
assert pool_gap == 0
assert counts.max() == 9
assert network_accuracy > 0.987
assert results["pictures"] - results["shuffled"] > 0.01
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. A dense layer cannot know that pixels are neighbours: shuffle them all alike, and it learns as
#    well as before.
# 2. A convolution looks at small windows, with the same few weights at every place.
# 3. Put each window into a row: then it is one matrix product, `y = rows @ W + b`.
# 4. Backward: `dW = rows.T @ dy`. Windows overlap, so a pixel's gradient is a sum over its windows.
# 5. Few weights, many multiplications, and what you know about pictures is built in.
#
# ## Exercises
#
# Fill in [exercises/13_convolution.py](exercises/13_convolution.py). Then run
# `.venv/bin/pytest tutorials/exercises -k 13` from the root of the repository: it tells you what is
# still wrong.
#
# ## Read next
#
# - In the package: [convolution.py](../numpymlp/convolution.py), with strides, padding and the
#   pools, and `lenet` in [models.py](../numpymlp/models.py).
# - Train a larger one: `.venv/bin/numpymlp train --recipe lenet`. [The ladder](results/ladder.md)
#   has more recipes and their results.
