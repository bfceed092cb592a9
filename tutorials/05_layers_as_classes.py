# %% [markdown]
# # 05 Layers as classes: backpropagation that builds itself
#
# ## What you will build
#
# Page 04 again, rewritten twice, each time shorter and more general, until a network is a list of
# layers and its gradients come out of one loop. The same checks run after every rewrite. At the end
# you compare your classes with those of the package: they give the same numbers, to the last digit.
#
# ## What you need
#
# Page 04, all of it. Python classes: what `self` is.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $x, y$ | `x`, `y` | `(N, in)`, `(N, out)` | input and output of *one* layer |
# | $\partial L/\partial y$ | `dy` | `(N, out)` | the gradient that arrives, from the next layer |
# | $\partial L/\partial x$ | `dx` | `(N, in)` | the gradient that leaves, to the layer before |
# | $W, b$ | `W`, `b` | `(in, out)`, `(out,)` | what a layer learns |
# | $\partial L/\partial W$, $\partial L/\partial b$ | `dW`, `db` | like `W`, `b` | its gradients |
# | | `kept` | | what `forward` keeps for `backward` |
# | | `parameters` | `(P,)` | all that a network learns, as one vector of length $P$ |
# | | `gradients` | `(P,)` | the gradient of each of them, in the same order |
#
# From now on `x` and `y` belong to one layer: its `y` is the `x` of the next.

# %%
import matplotlib.pyplot as plt
import numpy as np

import numpymlp
from numpymlp import load_mnist
from numpymlp.plots.style import RUN_COLOURS, tidy

# %% [markdown]
# ## What is wrong with page 04?
#
# Its gradients are right. But its `backward` knows the whole network: two layers, ReLU between
# them, a softmax at the end. With three layers you would write it anew, and every new kind of layer
# would touch all of it.
#
# Look at one step of the way back, say the one through a layer. It needs two things: the gradient
# `dy` that arrives, and what the same step had on the way forward, `x` and `W`. It needs nothing
# from the rest of the network. So the step forward and the step back belong together, and apart
# from everything else.
#
# ## First rewrite: pairs of functions
#
# Each `forward` also returns what its `backward` will need; we call that `kept`.


# %%
def dense_forward(x, W, b):
    return x @ W + b, (x, W)


def dense_backward(dy, kept):
    x, W = kept
    # dL/dx, dL/dW, dL/db
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dy, kept):
    return dy * (kept > 0)


# %% [markdown]
# "Dense" is the usual name for our layer: every input is connected with every output. The loss gets
# the same form, `forward` and `backward`; but its `forward` shall return only a number, the loss.
# So it stores what it keeps in `self`, and is our first class. It keeps the logarithms of the
# probabilities; `backward` gets $p$ back as $e^{\ln p}$.


# %%
class SoftmaxCrossEntropy:
    def forward(self, logits, labels):
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.kept = log_p, labels
        return -log_p[np.arange(len(labels)), labels].mean()

    def backward(self):
        log_p, labels = self.kept
        dlogits = np.exp(log_p)
        dlogits[np.arange(len(labels)), labels] -= 1  # p - t
        return dlogits / len(labels)


# %% [markdown]
# Now the tiny network of page 04, with the same numbers. `dh` was `[1.7616, -0.4404, 2.6424]`
# there.

# %%
x, labels = np.array([[1.0, 2.0]]), np.array([1])
W1, b1 = np.array([[0.5, -1.0, 1.0], [0.25, 0.5, -1.0]]), np.array([0.1, 0.2, 0.0])
W2, b2 = np.array([[1.0, -1.0], [0.5, 1.0], [2.0, -1.0]]), np.array([0.0, 0.1])

loss = SoftmaxCrossEntropy()
y, kept1 = dense_forward(x, W1, b1)
y, kept2 = relu_forward(y)
y, kept3 = dense_forward(y, W2, b2)
print("loss", round(loss.forward(y, labels), 4))

dh, dW2, db2 = dense_backward(loss.backward(), kept3)
dx, dW1, db1 = dense_backward(relu_backward(dh, kept2), kept1)
print("dh ", dh.round(4), " dx", dx.round(4))

# %% [markdown]
# The same numbers as before. And each function knows only itself. But you have to carry `kept1`,
# `kept2`, `kept3` about by hand, and to catch the gradients in the right order.
#
# ## Second rewrite: classes
#
# Let each layer carry its own: its parameters, what it kept, and its gradients.


# %%
class Dense:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.kept = x
        return x @ self.W + self.b

    def backward(self, dy):
        x = self.kept
        self.dW = x.T @ dy
        self.db = dy.sum(axis=0)
        return dy @ self.W.T


# %%
class ReLU:
    def forward(self, x):
        self.kept = x
        return np.maximum(x, 0)

    def backward(self, dy):
        return dy * (self.kept > 0)


# %% [markdown]
# Every class has the same two methods, so whoever calls them need not know which layer it is. That
# is all it takes: forward goes through the list, backward through the reversed list.


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
print("loss", round(loss.forward(forward(layers, x), labels), 4))
print("dx  ", backward(layers, loss.backward()).round(4))
same = np.array_equal(layers[0].dW, dW1) and np.array_equal(layers[2].dW, dW2)
print("the same dW1 and dW2 as before:", same)

# %% [markdown]
# Page 04's `backward` is now one loop of two lines, for any number of layers in any order. And the
# checks of page 04 run again, here on a row of five layers, whose gradients nobody wrote down by
# hand.


# %%
def numeric_gradient(f, array, step=1e-5):
    """Give the central difference of f() for every number of an array that f uses."""
    gradient = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + step
        above = f()
        array[place] = kept - step
        below = f()
        array[place] = kept
        gradient[place] = (above - below) / (2 * step)
    return gradient


# %%
rng = np.random.default_rng(0)
deep = []
for inputs, outputs in ((4, 6), (6, 5), (5, 3)):
    W, b = rng.normal(size=(inputs, outputs)), rng.normal(size=outputs)
    deep += [Dense(W, b), ReLU()]
deep.pop()  # no ReLU after the last layer
x, labels = rng.normal(size=(8, 4)), rng.integers(0, 3, size=8)

loss.forward(forward(deep, x), labels)
backward(deep, loss.backward())
errors = []
for layer in deep[::2]:
    for array, gradient in ((layer.W, layer.dW), (layer.b, layer.db)):
        numeric = numeric_gradient(lambda: loss.forward(forward(deep, x), labels), array)
        errors.append(np.abs(gradient - numeric).max())
        print(f"Dense{layer.W.shape}  {gradient.shape!s:7} error {errors[-1]:.1e}")

# %% [markdown]
# ## The price: layers remember
#
# A layer keeps something of the last batch that went through it. **Predict, then run.** You go
# forward with a batch. Then, before the way back, you want to know the loss on some other samples,
# and send those through. What does `backward` give for your batch?

# %%
loss.forward(forward(deep, x), labels)
backward(deep, loss.backward())
right = deep[0].dW
loss.forward(forward(deep, x), labels)
forward(deep, rng.normal(size=(8, 4)))  # "only to have a look"
backward(deep, loss.backward())
off = np.linalg.norm(deep[0].dW - right) / np.linalg.norm(right)
print(f"the gradient of the first layer is {off:.0%} off")

# %% [markdown]
# A wrong gradient, and no error message: the `dy` of one batch met what was kept of another. So
# **`backward` belongs to the last `forward`**; nothing may come between the two. For the same
# reason a layer may stand in a network only once.
#
# ## Third step: one vector
#
# To learn, every parameter takes a step against its gradient. With many layers that is a loop over
# layers and names. It would be simpler if all parameters were *one* vector, and all gradients
# another. NumPy can do that without copying: a part of a vector can be *seen* as a matrix. Both
# share the same memory.

# %%
vector = np.zeros(8)
W = vector[0:6].reshape(2, 3)
b = vector[6:8]
W[1, 0] = 7
b += 1
print(vector)

# %% [markdown]
# `W` is called a *view*. Writing into it writes into the vector. So: one vector for all parameters,
# one for all gradients, and the layers' arrays are views into them.


# %%
def tie(layers):
    """Move what the layers learn into one vector, its gradients into another; return both."""
    names = [(layer, name) for layer in layers if isinstance(layer, Dense) for name in ("W", "b")]
    parameters = np.concatenate([getattr(layer, name).ravel() for layer, name in names])
    gradients, start = np.zeros_like(parameters), 0
    for layer, name in names:
        shape = getattr(layer, name).shape
        part = slice(start, start + np.prod(shape))
        setattr(layer, name, parameters[part].reshape(shape))
        setattr(layer, "d" + name, gradients[part].reshape(shape))
        start = part.stop
    return parameters, gradients


# %% [markdown]
# (`getattr(layer, "W")` is `layer.W`, for a name that you have as text; `setattr` sets it.)
# **Predict, then run.** The tiny network once more, tied. What stands in `gradients` after the way
# back?

# %%
layers = [Dense(W1, b1), ReLU(), Dense(W2, b2)]
parameters, gradients = tie(layers)
x, labels = np.array([[1.0, 2.0]]), np.array([1])
loss.forward(forward(layers, x), labels)
backward(layers, loss.backward())
print("parameters", parameters)
print("gradients ", gradients)

# %% [markdown]
# All gradients are 0? The network did compute them. Look into `Dense.backward`:
# `self.dW = x.T @ dy` makes a *new* array and gives it the name `dW`. The view is gone, and the
# vector never heard of it. To write *into* an array that is there, put `[...]` behind its name.


# %%
class Dense:
    def __init__(self, inputs, outputs, rng):
        self.W = rng.normal(size=(inputs, outputs)) * np.sqrt(2 / inputs)
        self.b = np.zeros(outputs)
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x):
        self.kept = x
        return x @ self.W + self.b

    def backward(self, dy):
        x = self.kept
        self.dW[...] = x.T @ dy
        self.db[...] = dy.sum(axis=0)
        return dy @ self.W.T


# %% [markdown]
# This `Dense` also draws its own first weights, random and small as on page 04. And here is the
# whole network.


# %%
class Network:
    def __init__(self, layers):
        self.layers = layers
        self.parameters, self.gradients = tie(layers)

    def forward(self, x):
        return forward(self.layers, x)

    def backward(self, dy):
        return backward(self.layers, dy)


network = Network([Dense(2, 3, rng), ReLU(), Dense(3, 2, rng)])
network.parameters[:] = np.concatenate([a.ravel() for a in (W1, b1, W2, b2)])
print("loss", round(loss.forward(network.forward(x), labels), 4))
print("dx  ", network.backward(loss.backward()).round(4))
print("gradients", network.gradients.round(2))

# %% [markdown]
# The numbers of page 04 for the third time, now in one vector. As a picture: the two Dense layers
# of the tiny network, and where their arrays lie.

# %% tags=["main"]
parts = [("W (2, 3)", 6), ("b (3,)", 3), ("W (3, 2)", 6), ("b (2,)", 2)]
figure, axes = plt.subplots(figsize=(8.5, 2.3), layout="constrained")
start = 0
for number, (name, size) in enumerate(parts):
    colour = RUN_COLOURS[number // 2]
    axes.text(start + size / 2, 2.4, f"Dense {number // 2}\n{name}", ha="center", color=colour)
    style = {"facecolor": "white", "edgecolor": colour, "linewidth": 2}
    for height, vector in ((1.2, network.parameters), (0, network.gradients)):
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
# To whoever comes after, a network is now a function of one vector. A check with finite differences
# is a loop over that vector. A step of learning is one line. Saving a network is saving one array.

# %%
network = Network([Dense(4, 6, rng), ReLU(), Dense(6, 5, rng), ReLU(), Dense(5, 3, rng)])
x, labels = rng.normal(size=(8, 4)), rng.integers(0, 3, size=8)
loss.forward(network.forward(x), labels)
network.backward(loss.backward())
numeric = numeric_gradient(lambda: loss.forward(network.forward(x), labels), network.parameters)
gradient_error = np.abs(network.gradients - numeric).max()
print(f"{len(network.parameters)} parameters, largest error {gradient_error:.1e}")

# %% [markdown]
# ## Against the package
#
# The classes of the package have the same names, and grew in the same way. `mlp` builds the usual
# row: Dense, ReLU, Dense, and so on. Give both networks the same parameters, and compare.

# %%
theirs, their_loss = numpymlp.mlp([4, 6, 5, 3], dtype=np.float64), numpymlp.SoftmaxCrossEntropy()
print(theirs)
theirs.parameters = network.parameters  # in the package, this copies the values in
their_value = their_loss.forward(theirs.forward(x), labels)
theirs.backward(their_loss.backward())
our_value = loss.forward(network.forward(x), labels)
network.backward(loss.backward())
package_error = np.abs(theirs.gradients - network.gradients).max()
print(f"difference of the losses {abs(their_value - our_value):.0e}")
print(f"largest difference of the gradients {package_error:.0e}")

# %% [markdown]
# Equal up to the last digit that the computer keeps. What else is in the package's classes? A few
# lines that save time (the first layer of a network is not asked for `dx`, which nobody needs),
# names for saving and loading, checks that say clearly what is wrong with an input, and a second
# argument of `forward`, `training`, for layers that behave otherwise while they learn (yours do
# not). The heart is what you have here.
#
# ## Four lines that learn
#
# With this, training has its final form: forward, loss, backward, step. It will look the same on
# all pages that follow.

# %%
(x_train, y_train), (x_test, y_test) = load_mnist()
network = Network([Dense(784, 64, rng), ReLU(), Dense(64, 32, rng), ReLU(), Dense(32, 10, rng)])
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
    print(f"epoch {epoch}: right for {accuracy:.2%} of the test pictures")

# %%
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.plot(losses, color="0.8", label="each mini-batch")
smooth = np.convolve(losses, np.full(50, 1 / 50), mode="valid")
axes.plot(np.arange(49, len(losses)), smooth, color=RUN_COLOURS[0], label="mean of the last 50")
tidy(axes, "Three layers learn to read", "step", "loss", grid="y")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# The loss begins near ln 10, as it should, and ends at about half of what the single layer of page
# 03 came to. One layer more than on page 04, and not one line of calculus for it. You choose the
# layers; the gradients build themselves.
#
# ## Checks

# %%
assert np.allclose(dh, [[1.7616, -0.4404, 2.6424]], atol=1e-4)
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
# 1. A step forward and its step back belong together, and know nothing of the rest.
# 2. A layer is `forward(x)`, which keeps what is needed, and `backward(dy)`, which returns `dx`.
# 3. A network goes forward through the list of its layers and back through the reversed list.
# 4. `backward` belongs to the last `forward`: what was kept is gone with the next batch.
# 5. All parameters are one vector and all gradients another; the layers hold views, so write into
#    them with `[...]`.
#
# ## Exercises
#
# Fill in `tutorials/exercises/05_layers_as_classes.py`. Then `pytest tutorials/exercises -k 05`,
# run from the repository's root, tells you what is still wrong.
#
# ## Read next
#
# In the package: `numpymlp/layers.py` from its top to `ReLU` (which keeps `y` instead of `x`: one
# is positive where the other is), then `numpymlp/network.py`. In the course:
# `06_gradient_checking.py`, where the comparison with finite differences becomes a tool.
