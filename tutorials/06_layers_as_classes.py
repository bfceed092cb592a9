# %% [markdown]
# # 06 Layers as classes: backpropagation that builds itself
#
# ## What you will build
#
# You rewrite page 05 three times. Each version is more general than the one before. At the end, a
# network is a list of layers over one vector of parameters, and one loop computes its gradients.
# The same checks run after every rewrite. Then you compare your classes with those of the package:
# they give the same numbers.
#
# ## What you need
#
# [Page 05](05_backpropagation.ipynb), all of it. Python classes: what `self` is.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $x, y$ | `x`, `y` | `(N, in)`, `(N, out)` | of *one* layer: its input and output |
# | $\partial L/\partial y$ | `dy` | `(N, out)` | the upstream gradient, from the next layer |
# | $\partial L/\partial x$ | `dx` | `(N, in)` | the downstream gradient, for the layer before |
# | $W, b$ | `W`, `b` | `(in, out)`, `(out,)` | parameters of a layer |
# | $\partial L/\partial W$, $\partial L/\partial b$ | `dW`, `db` | as `W`, `b` | their gradients |
# | | `cache` | | what `forward` leaves for `backward` |
# | | `parameters` | `(P,)` | all parameters of a network, as one vector of length $P$ |
# | | `gradients` | `(P,)` | the gradient of each parameter, in the same order |
# | $c$ | `y` | `(N,)` | of a *data set or loss*: the targets, here the correct classes |
#
# From this page on, $y$ is also the output of a layer, so that all layers have the same names: `x`,
# `y`, `dx`, `dy`. The `y` of one layer is the `x` of the next. Next to data and in a loss, `y`
# holds the targets, as before. No function uses both.

# %%
import matplotlib.pyplot as plt
import numpy as np
from drawing import you_are_here

import numpymlp
from numpymlp import load_mnist, plots
from numpymlp.plots.style import RUN_COLOURS, tidy

# %matplotlib inline

# %% tags=["hide-input"]
you_are_here("each of these columns becomes a class", 1, 2, 3, 4, 5)

# %% [markdown]
# ## What is wrong with page 05?
#
# Its gradients are correct. But its `backward` knows the whole network: two layers, ReLU between
# them, a softmax at the end. For three layers you would have to write it again, and every new kind
# of layer would change it.
#
# Look at one step of the backward pass, say the step through a layer. It needs the upstream
# gradient `dy`, and the `x` and `W` of the same step in the forward pass. It needs nothing from the
# rest of the network. So the forward and the backward of a step belong together, separate from
# everything else.
#
# ## First rewrite: pairs of functions
#
# Each `forward` also returns what its `backward` will need. As on page 05, this is called the
# *cache*.


# %%
def dense_forward(x, W, b):
    return x @ W + b, (x, W)


def dense_backward(dy, cache):
    x, W = cache
    # dL/dx, dL/dW, dL/db
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dy, cache):
    x = cache
    return dy * (x > 0)


# %% [markdown]
# "Dense" is the usual name of this layer: every input is connected to every output. The loss also
# gets a `forward` and a `backward`. But its `forward` should return only a number, the loss. So it
# stores its cache in `self`, and it is our first class. The cache holds the logarithms of the
# probabilities; `backward` turns them into probabilities with `np.exp`.


# %%
class SoftmaxCrossEntropy:
    def forward(self, logits, y):
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.cache = log_probabilities, y
        return -log_probabilities[np.arange(len(y)), y].mean()

    def backward(self):
        log_probabilities, y = self.cache
        dlogits = np.exp(log_probabilities)
        dlogits[np.arange(len(y)), y] -= 1  # probabilities - one_hot
        return dlogits / len(y)


# %% [markdown]
# Now compute the small network of page 05 with these functions. There, `dhidden` was
# `[1.7616, -0.4404, 2.6424]`.

# %%
x, y = np.array([[1.0, 2.0]]), np.array([1])
W1, b1 = np.array([[0.5, -1.0, 1.0], [0.25, 0.5, -1.0]]), np.array([0.1, 0.2, 0.0])
W2, b2 = np.array([[1.0, -1.0], [0.5, 1.0], [2.0, -1.0]]), np.array([0.0, 0.1])

loss = SoftmaxCrossEntropy()
z1, cache1 = dense_forward(x, W1, b1)
hidden, cache2 = relu_forward(z1)
logits, cache3 = dense_forward(hidden, W2, b2)
print("loss", round(loss.forward(logits, y), 4))

dhidden, dW2, db2 = dense_backward(loss.backward(), cache3)
dx, dW1, db1 = dense_backward(relu_backward(dhidden, cache2), cache1)
print("dhidden", dhidden.round(4), " dx", dx.round(4))

# %% [markdown]
# The same numbers as before, and each function knows only its own step. But you have to pass
# `cache1`, `cache2` and `cache3` by hand, and collect the gradients in the right order.
#
# ## Second rewrite: classes
#
# Let each layer store its own parameters, cache and gradients.


# %%
class Dense:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.cache = x
        return x @ self.W + self.b

    def backward(self, dy):
        x = self.cache
        self.dW = x.T @ dy
        self.db = dy.sum(axis=0)
        return dy @ self.W.T


# %%
class ReLU:
    def forward(self, x):
        self.cache = x
        return np.maximum(x, 0)

    def backward(self, dy):
        x = self.cache
        return dy * (x > 0)


# %% [markdown]
# Both classes have the same two methods, so code that calls them need not know which layer it is.
# Now two loops are enough: forward goes through the list of layers, and backward goes through the
# reversed list.


# %%
def forward(layers, x):
    for layer in layers:
        x = layer.forward(x)
    return x


def backward(layers, dy):
    for layer in reversed(layers):
        dy = layer.backward(dy)
    return dy


layers = [Dense(W1, b1), ReLU(), Dense(W2, b2)]
print("loss", round(loss.forward(forward(layers, x), y), 4))
print("dx  ", backward(layers, loss.backward()).round(4))
same = np.array_equal(layers[0].dW, dW1) and np.array_equal(layers[2].dW, dW2)
print("the same dW1 and dW2 as before:", same)

# %% [markdown]
# The `backward` of page 05 is now a loop of two lines, for any number of layers in any order. Run
# the checks of page 05 again, here on five layers. Nobody has derived the gradients of this network
# by hand.


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
rng = np.random.default_rng(0)
deep = []
for inputs, outputs in ((4, 6), (6, 5), (5, 3)):
    W, b = rng.normal(size=(inputs, outputs)), rng.normal(size=outputs)
    deep += [Dense(W, b), ReLU()]
deep.pop()  # no ReLU after the last layer
x, y = rng.normal(size=(8, 4)), rng.integers(0, 3, size=8)

loss.forward(forward(deep, x), y)
backward(deep, loss.backward())
errors = []
for layer in deep[::2]:
    for array, gradient in ((layer.W, layer.dW), (layer.b, layer.db)):
        numeric = numeric_gradient(lambda: loss.forward(forward(deep, x), y), array)
        errors.append(np.abs(gradient - numeric).max())
        print(f"Dense{layer.W.shape}  {gradient.shape!s:7} error {errors[-1]:.1e}")

# %% [markdown]
# ## The price: the cache belongs to one batch
#
# The cache of a layer belongs to the last batch that went through it. **Predict, then run.** You
# run the forward pass of a batch. Before the backward pass you want to know the output for some
# other samples, so you run forward on those too. What does `backward` give for your batch?

# %% tags=["hide-output"]
loss.forward(forward(deep, x), y)
backward(deep, loss.backward())
correct = deep[0].dW
loss.forward(forward(deep, x), y)
forward(deep, rng.normal(size=(8, 4)))  # "only to have a look"
backward(deep, loss.backward())
relative_error = np.linalg.norm(deep[0].dW - correct) / np.linalg.norm(correct)
print(f"relative error of the first layer's gradient: {relative_error:.0%}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# A wrong gradient, and no error message: the `dy` of one batch was combined with the cache of
# another.
#
# </details>
#
# So **`backward` belongs to the last `forward`**, and nothing may come between the two. For the
# same reason, a layer may appear in a network only once.
#
# ## Third rewrite: one vector
#
# In training, every parameter takes a step against its gradient. With many layers, this would be a
# loop over layers and names. It is simpler if all parameters are *one* vector, and all gradients
# another. This is the plan for the small network: its two `W` and two `b`, one after the other, and
# under each number its gradient.

# %% tags=["hide-input"]
slopes = dW1, db1, dW2, db2
in_one = [np.concatenate([a.ravel() for a in four]) for four in ((W1, b1, W2, b2), slopes)]

# %% tags=["main", "hide-input"]
parts = [("W (2, 3)", 6), ("b (3,)", 3), ("W (3, 2)", 6), ("b (2,)", 2)]
figure, axes = plt.subplots(figsize=(8.5, 2.3), layout="constrained")
start = 0
for number, (name, size) in enumerate(parts):
    colour = RUN_COLOURS[number // 2]
    axes.text(start + size / 2, 2.4, f"Dense {number // 2}\n{name}", ha="center", color=colour)
    style = {"facecolor": "white", "edgecolor": colour, "linewidth": 2}
    for height, vector in zip((1.2, 0), in_one, strict=True):
        for i in range(start, start + size):
            axes.add_patch(plt.Rectangle((i, height), 1, 1, **style))
            axes.text(i + 0.5, height + 0.4, f"{vector[i]:.2f}", ha="center", fontsize=8)
    start += size
axes.text(-0.2, 1.6, "parameters", ha="right")
axes.text(-0.2, 0.4, "gradients", ha="right")
axes.set(xlim=(-2.9, 17.1), ylim=(-0.1, 3.4))
axes.set_axis_off()
plt.show()

# %% [markdown]
# NumPy can do this without copying: a part of a vector can be used as a matrix that shares the
# memory of the vector.

# %%
vector = np.zeros(8)
W = vector[0:6].reshape(2, 3)
b = vector[6:8]
W[1, 0] = 7
b += 1
print(vector)

# %% [markdown]
# `W` and `b` are *views* of the vector: writing into them writes into the vector. So use one vector
# for all parameters and one for all gradients, and let the arrays of the layers be views of them.


# %%
def pack(layers):
    """Move the parameters of all layers into one vector, the gradients into another."""
    dense = [layer for layer in layers if isinstance(layer, Dense)]
    parameters = np.concatenate([a.ravel() for layer in dense for a in (layer.W, layer.b)])
    gradients, start = np.zeros_like(parameters), 0
    for layer in dense:
        middle = start + layer.W.size
        stop = middle + layer.b.size
        layer.dW = gradients[start:middle].reshape(layer.W.shape)
        layer.W = parameters[start:middle].reshape(layer.W.shape)
        layer.db, layer.b = gradients[middle:stop], parameters[middle:stop]
        start = stop
    return parameters, gradients


# %% [markdown]
# This is only bookkeeping: it gives each `Dense` its two neighbouring parts of the picture, from
# `start` to `middle` its `W`, and from `middle` to `stop` its `b`.
#
# **Predict, then run.** Here is the small network once more, packed into one vector. Which numbers
# are in `gradients` after the backward pass?

# %% tags=["hide-output"]
layers = [Dense(W1, b1), ReLU(), Dense(W2, b2)]
parameters, gradients = pack(layers)
x, y = np.array([[1.0, 2.0]]), np.array([1])
loss.forward(forward(layers, x), y)
backward(layers, loss.backward())
print("parameters", parameters)
print("gradients ", gradients)

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# All of them are 0, although the network did compute them. Look at `Dense.backward`:
# `self.dW = x.T @ dy` makes a *new* array and calls it `dW`. The view is replaced, and the vector
# stays as it was.
#
# </details>
#
# To write *into* an existing array, put `[...]` after its name.


# %%
class Dense:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.cache = x
        return x @ self.W + self.b

    def backward(self, dy):
        x = self.cache
        self.dW[...] = x.T @ dy  # the only change, here
        self.db[...] = dy.sum(axis=0)  # and here
        return dy @ self.W.T


# %% [markdown]
# And here is the whole network.


# %%
class Network:
    def __init__(self, layers):
        self.layers = layers
        self.parameters, self.gradients = pack(layers)

    def forward(self, x):
        return forward(self.layers, x)

    def backward(self, dy):
        return backward(self.layers, dy)


network = Network([Dense(W1, b1), ReLU(), Dense(W2, b2)])
print("loss", round(loss.forward(network.forward(x), y), 4))
print("dx  ", network.backward(loss.backward()).round(4))
print("gradients", network.gradients.round(2))

# %% [markdown]
# These are the numbers of page 05 again, in the two vectors of the picture.
#
# For all other code, a network is now a function of one vector. A gradient check is a loop over
# this vector. A training step is one line. Saving a network is saving one array. (`random_dense`
# draws the first weights, random and small as on page 05.)


# %%
def random_dense(inputs, outputs):
    W = rng.normal(size=(inputs, outputs)) * np.sqrt(2 / inputs)
    return Dense(W, np.zeros(outputs))


def with_two_hidden(a, b, c, d):
    return Network([random_dense(a, b), ReLU(), random_dense(b, c), ReLU(), random_dense(c, d)])


network = with_two_hidden(4, 8, 5, 3)
x, y = rng.normal(size=(8, 4)), rng.integers(0, 3, size=8)
loss.forward(network.forward(x), y)
network.backward(loss.backward())
numeric = numeric_gradient(lambda: loss.forward(network.forward(x), y), network.parameters)
gradient_error = np.abs(network.gradients - numeric).max()
print(f"{len(network.parameters)} parameters, largest error {gradient_error:.1e}")

# %% [markdown]
# ## Against the package
#
# The package has classes of the same names, built on the same ideas. `mlp` builds the usual
# network: Dense, ReLU, Dense, and so on. Give both networks the same parameters, and compare.

# %%
theirs, their_loss = numpymlp.mlp([4, 8, 5, 3], dtype=np.float64), numpymlp.SoftmaxCrossEntropy()
print(theirs)
theirs.parameters = network.parameters  # in the package, this copies the values
their_value = their_loss.forward(theirs.forward(x), y)
theirs.backward(their_loss.backward())
our_value = loss.forward(network.forward(x), y)
network.backward(loss.backward())
package_error = np.abs(theirs.gradients - network.gradients).max()
print(f"difference of the losses {abs(their_value - our_value):.0e}")
print(f"largest difference of the gradients {package_error:.0e}")

# %% [markdown]
# Equal, up to rounding in the last digit that the computer stores. What else do the classes of the
# package have?
#
# - A base class `Layer`. A layer declares its parameters in its class, so the network can pack any
#   layer and not only `Dense`.
# - A second argument of `backward`, `input_gradient`. No code uses the `dx` of the first layer, so
#   the network passes `input_gradient=False` to it and saves one matrix product.
# - A second argument of `forward`, `training`, for layers that behave differently in training.
# - Names for saving and loading, and checks that say clearly what is wrong with an input.
#
# The core is what you have built here.
#
# ## Four lines that learn
#
# Now training has its final form: forward, loss, backward, step. It looks the same on all pages
# that follow. First a task that you can see: two moons, as on page 04. We train a single layer and
# a network with two hidden layers, and look at their answers in the whole plane.

# %%
angle, y = np.pi * rng.random(200), np.arange(200) % 2
x = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1 - 2 * y)[:, None]  # class 1: turned over
x += y[:, None] * [1, 0.4] + 0.1 * rng.normal(size=x.shape)
axis0, axis1, grid = plots.boundary_grid(x)


def pictures_of(network, moments):
    frames = []
    for step in range(max(moments) + 1):
        if step in moments:
            frames.append(numpymlp.softmax(network.forward(grid)))
        loss.forward(network.forward(x), y)
        network.backward(loss.backward())
        network.parameters -= 0.3 * network.gradients
    return frames


# %%
frames = pictures_of(Network([random_dense(2, 2)]), [500])
frames += pictures_of(with_two_hidden(2, 16, 16, 2), [5, 50, 500])
titles = ["one layer", "5 steps", "50 steps", "500 steps"]
figure = plots.boundary_filmstrip(axis0, axis1, frames, x, y, frame_titles=titles)
figure.set_dpi(80)
figure

# %% [markdown]
# Left the single layer after 500 steps, then the network after 5, 50 and 500. Colour shows the more
# probable class, black the line where both are equally probable, crosses the wrong answers. However
# long it trains, one layer can only draw a straight line. Now your own code moves the folds.
#
# And now the digits.

# %%
(x_train, y_train), (x_test, y_test) = load_mnist()
network = with_two_hidden(784, 64, 32, 10)
learning_rate, losses = 0.2, []
for epoch in range(2):
    order = rng.permutation(len(x_train))
    for start in range(0, len(order), 100):
        rows = order[start : start + 100]
        logits = network.forward(x_train[rows])
        losses.append(loss.forward(logits, y_train[rows]))
        network.backward(loss.backward())
        network.parameters -= learning_rate * network.gradients
    accuracy = (network.forward(x_test).argmax(axis=1) == y_test).mean()
    print(f"epoch {epoch}: test accuracy {accuracy:.2%}")

# %% tags=["hide-input"]
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.plot(losses, color="0.8", label="each mini-batch")
smooth = np.convolve(losses, np.full(50, 1 / 50), mode="valid")
axes.plot(np.arange(49, len(losses)), smooth, color=RUN_COLOURS[0], label="mean of the last 50")
tidy(axes, "Three layers learn to read digits", "step", "loss", grid="y")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# The loss starts near ln 10, as it should, and ends at about half of the loss that the single layer
# of page 03 reached. This network has one layer more than that of page 05, and you did no new
# calculus for it. You choose the layers, and the loop computes the gradients.
#
# ## Checks

# %%
assert np.allclose(dhidden, [[1.7616, -0.4404, 2.6424]], atol=1e-4)
assert max(errors) < 1e-7
assert gradient_error < 1e-7
assert package_error < 1e-14
count = 784 * 64 + 64 + 64 * 32 + 32 + 32 * 10 + 10
assert network.parameters.shape == network.gradients.shape == (count,)
assert np.shares_memory(network.layers[0].W, network.parameters)
assert accuracy > 0.95
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. The forward and the backward of a step belong together, and need nothing from the rest.
# 2. A layer is `forward(x)`, which fills the cache, and `backward(dy)`, which returns `dx`.
# 3. A network goes forward through the list of its layers and back through the reversed list.
# 4. `backward` belongs to the last `forward`: the next batch overwrites the cache.
# 5. All parameters are one vector and all gradients another. The layers hold views of them, so
#    write into the views with `[...]`.
#
# ## Exercises
#
# Fill in [exercises/06_layers_as_classes.py](exercises/06_layers_as_classes.py). Then run
# `.venv/bin/pytest tutorials/exercises -k 06` from the root of the repository: it tells you what is
# still wrong.
#
# ## Read next
#
# - In the package: [layers.py](../numpymlp/layers.py) from its top to `ReLU`, then
#   [network.py](../numpymlp/network.py). The `ReLU` of the package keeps `y` in its cache instead
#   of `x`: `y` is positive exactly where `x` is.
# - In the course: [07 Gradient checking](07_gradient_checking.ipynb), where the comparison with
#   finite differences becomes a tool.
