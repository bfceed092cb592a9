# %% [markdown]
# # 10 When it goes wrong
#
# ## What you will build
#
# Four short sanity tests that every network should pass before you train it for hours; a collection
# of failures, made on purpose, with their symptoms and causes; and a comparison of the cures for
# overfitting. The best of them brings a larger network beyond 99 %.
#
# ## What you need
#
# [08 Optimizers](08_optimizers.ipynb) and
# [09 Train on MNIST and look inside](09_train_and_look_inside.ipynb).
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $L$ | `value`, `loss` | number | the loss of a batch, or of a set |
# | $x, y$ | `x`, `y` | (N, 784), (N,) | images and targets |
# | $dW$ | `network.named_gradients()["0.W"]` | (in, out) | gradient of a layer's weights |
# | $\lambda$ | `L2Penalty(3e-3)` | number | strength of an L2 penalty on the weights |
#
# Numbers on this page may differ a little on your machine: failures amplify rounding errors.

# %%
import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from drawing import you_are_here

import numpymlp
from numpymlp import SGD, Adam, Trainer, evaluate, minibatches, mlp, plots
from numpymlp.data import Distortion
from numpymlp.initializers import Normal
from numpymlp.plots.style import RUN_COLOURS, tidy

# %matplotlib inline

(x_all, y_all), (x_test, y_test) = numpymlp.load_mnist()
split = numpymlp.train_validation_split(x_all, y_all, 0.1, np.random.default_rng(0))
(x_train, y_train), (x_val, y_val) = split
x_small, y_small = x_train[:5000], y_train[:5000]
cross_entropy = numpymlp.SoftmaxCrossEntropy()

# %% tags=["hide-input"]
you_are_here("the whole network, and what can go wrong in it")

# %% [markdown]
# All experiments use this loop. It returns the loss of every step.


# %%
def train(network, optimizer, x, y, epochs=1, batch_size=50):
    values, rng = [], np.random.default_rng(1)
    for _ in range(epochs):
        for x_batch, y_batch in minibatches(x, y, min(batch_size, len(x)), rng):
            values.append(cross_entropy.forward(network.forward(x_batch, training=True), y_batch))
            network.backward(cross_entropy.backward())
            optimizer.step(network.parameters, network.gradients)
    return values


def new_network(seed=0, **settings):
    return mlp([784, 64, 10], rng=np.random.default_rng(seed), **settings)


# %% [markdown]
# ## 1. Four sanity tests
#
# Do not begin with a long training run. Run these four tests first; they take seconds. If one
# fails, it tells you where to look.
#
# 1. **The first loss is $\ln K$** for $K$ classes. If not: look at the scale of inputs or weights,
#    or at the loss itself.
# 2. **The network can memorize twenty samples.** If not, check the gradients and the optimizer.
# 3. **Without input, it learns nothing.** With all pixels 0 the loss stays at $\ln K$. If it falls
#    below, the labels reach the network some other way. (Our digits are about equally
#    frequent. Otherwise the last bias learns how frequent each class is, and the loss falls without
#    any leak.)
# 4. **A short training run helps on new samples.** If not: the labels do not belong to the inputs.


# %%
def sanity_tests(x, y, x_new, y_new, optimizer=Adam):
    first = cross_entropy.forward(new_network().forward(x), y)
    memorized = train(new_network(), optimizer(1e-3), x[:20], y[:20], epochs=100)[-1]
    blind = np.mean(train(new_network(), optimizer(1e-3), 0 * x, y)[-20:])
    network = new_network()
    train(network, optimizer(1e-3), x, y)
    accuracy = evaluate(network, cross_entropy, x_new, y_new).accuracy
    tests = {
        f"1 first loss     {first:7.2f}": abs(first - np.log(10)) < 0.3,
        f"2 twenty samples {memorized:7.3f}": memorized < 0.01,
        f"3 without input  {blind:7.2f}": abs(blind - np.log(10)) < 0.1,
        f"4 new digits     {100 * accuracy:7.1f} %": accuracy > 0.5,
    }
    for text, passed in tests.items():
        print(f"{text:28s} {'passes' if passed else 'FAILS'}")
    return list(tests.values())


sound = sanity_tests(x_small, y_small, x_val, y_val)

# %% [markdown]
# **Predict, then run.** Now two faults. In the first, the optimizer adds the gradient instead of
# subtracting it. In the second, the images were shuffled and the labels were not. Which tests fail?


# %% tags=["hide-output"]
class Uphill(Adam):
    def step(self, parameters, gradients, factor=1.0):
        super().step(parameters, -gradients, factor)


print("the optimizer goes uphill")
uphill = sanity_tests(x_small, y_small, x_val, y_val, optimizer=Uphill)
print("\nimages shuffled, labels not")
mixed = sanity_tests(np.random.default_rng(2).permutation(x_small), y_small, x_val, y_val)

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# The optimizer that goes uphill fails the second and the fourth test. The wrong labels pass three
# tests: a network memorizes twenty *wrong* labels just as well. Only new samples reveal them.
#
# </details>
#
# ## 2. Inputs that are not scaled
#
# This is a very common fault: pixels from 0 to 255 instead of 0 to 1. Look at the first
# losses.

# %%
with np.errstate(over="ignore"):
    for scale in (1, 255):
        network = new_network()
        values = train(network, SGD(0.1), scale * x_small, y_small, epochs=2)
        print(
            f"pixels up to {scale:3d}: first losses",
            *(f"{value:.3g}" for value in values[:4]),
            end="",
        )
        print(f"  last {np.mean(values[-20:]):.3f}")

# %% [markdown]
# With large pixels the first loss is about 140 instead of 2.3. Then it explodes, and it ends near
# 2.3, the loss of pure guessing. The first sanity test would have failed. Why does the loss stay
# there? Look at the hidden units:

# %%
hidden = network.activations(255 * x_val)[1]  # after the ReLU: (6000, 64)
dead = (hidden == 0).all(axis=0)
print(f"{dead.sum()} of {len(dead)} units are 0 for all 6,000 validation images")

# %% [markdown]
# Almost no hidden unit is left. The last bias still learns, but a bias can only guess.
#
# ## 3. Dead units
#
# A ReLU unit whose input is negative for *every* sample always returns 0. Its gradient is also 0,
# so its weights stay as they are: it is dead. One huge step is enough for this. Huge steps come
# from unscaled inputs, or from a learning rate that is too high. Here is the second cause, with
# pixels from 0 to 1:

# %%
shares = {}
for learning_rate in (0.3, 1.0, 2.0):
    network = mlp([784, 64, 64, 10], rng=np.random.default_rng(0))
    optimizer, dead_share = SGD(learning_rate), []
    for _ in range(20):
        train(network, optimizer, x_small[:500], y_small[:500])
        outputs = network.activations(x_val[:1000])
        dead_share.append((outputs[1] == 0).all(axis=0).mean())
    shares[f"learning rate {learning_rate}"] = dead_share

figure = plots.training_diagnostics(
    np.arange(10, 210, 10), dead_share=shares, title="Dead units of the first hidden layer"
)
figure.set_dpi(90)
figure

# %% [markdown]
# With 0.3 the layer stays alive. With 1 and 2 most of its units die within the first steps, and few
# recover. (We look at 1,000 validation images. A unit that is 0 for all of them may still be
# positive for some training image, and then it can recover.)
#
# **Cures**: scale the inputs; lower the learning rate, or let it rise slowly at the start
# (`OneCycle`); or use `LeakyReLU`, which has a small slope below zero, so that every unit has a
# gradient.
#
# ## 4. All weights equal
#
# **Predict, then run.** Why not start all weights at the same small number, 0.01? How many
# *different* hidden units does the network have after training?


# %% tags=["hide-output"]
def constant(shape, rng):
    return np.full(shape, 0.01)


x64 = x_small.astype(np.float64)
for name, settings in (("0.01", {"initializer": constant}), ("random", {})):
    network = new_network(dtype=np.float64, **settings)
    train(network, Adam(1e-3), x64, y_small, epochs=3)
    different = len(np.unique(network.layers[0].W.round(6), axis=1).T)
    accuracy = evaluate(network, cross_entropy, x_val, y_val).accuracy
    print(f"start {name:6s}: {different:2d} different units, accuracy {100 * accuracy:.1f} %")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# One. Units with equal weights get equal gradients, so they stay equal: 64 copies of one unit.
#
# </details>
#
# Only random weights let units learn different features. (We compute in float64 here. In float32,
# some machines round the sums of equal units differently, and after many steps a few of the copies
# differ.)
#
# ## 5. Vanishing gradients
#
# In a deep network each layer multiplies the gradient by its weights and by the slope of its
# activation. The slope of the sigmoid is at most 1/4. We take a network with six hidden layers,
# before training, and measure the gradient of each layer as its *root mean square* (RMS) per
# weight, which does not depend on how many weights a layer has.
#
# We compare three networks. The third has the weights that `mlp` draws for ReLU by default, *He
# initialization*: random numbers with the variance $2 / \text{inputs}$, chosen so that signals keep
# their size through ReLU layers (He, Zhang, Ren and Sun, 2015).

# %%
designs = {
    "sigmoid": {"activation": "sigmoid"},
    "ReLU, weights too small": {"activation": "relu", "initializer": Normal(0.05)},
    "ReLU, He initialization": {"activation": "relu"},
}

# %%
figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
tidy(axes, "Before training", "layer, from the input on", "gradient, RMS per weight", grid="y")
deep = {}
for (name, settings), colour in zip(designs.items(), RUN_COLOURS, strict=False):
    network = mlp([784, *[64] * 6, 10], rng=np.random.default_rng(0), **settings)
    cross_entropy.forward(network.forward(x_small[:100], training=True), y_small[:100])
    network.backward(cross_entropy.backward())
    gradients = [g for key, g in network.named_gradients().items() if key.endswith("W")]
    rms = [np.sqrt((dW**2).mean()) for dW in gradients]
    axes.semilogy(range(1, 8), rms, "o-", color=colour, label=name)
    deep[name] = network
axes.legend(fontsize=8)
plt.show()

# %%
for name, network in deep.items():
    train(network, Adam(1e-3), x_small, y_small, epochs=2)
    accuracy = evaluate(network, cross_entropy, x_val, y_val).accuracy
    print(f"{name:24s} accuracy after 2 epochs {100 * accuracy:.1f} %")

# %% [markdown]
# With the sigmoid, the gradient of the first layer is more than ten thousand times smaller than
# that of the last. With plain SGD the first layer would hardly move. Adam divides by the gradient's
# size, so the layer moves. But each sigmoid also shrinks the differences between two images, so
# that the last layer sees nearly the same numbers for all of them. No optimizer can restore those
# differences.
#
# With weights that are too small, the gradients of all layers are tiny. With He initialization the
# gradient grows only about fivefold from the first layer to the last.
# ([numpymlp/initializers.py](../numpymlp/initializers.py) has the sources.)
#
# ## 6. Divergence
#
# Sometimes the numbers exceed the range of float32. The hand-written loop then goes on with NaN
# everywhere. The `Trainer` stops, restores the last good weights (here those before training), and
# says where it began:

# %%
network = mlp([784, 64, 64, 10], "leaky_relu", rng=np.random.default_rng(0))
before = network.parameters.copy()
try:
    Trainer(network, cross_entropy, SGD(5.0), verbose=0).fit(x_small, y_small, epochs=1)
except numpymlp.TrainingDiverged as error:
    message = str(error)
    print(message.replace(". ", ".\n").replace("; ", ";\n"))

# %% [markdown]
# When a loss becomes NaN, look for the *first* number that is not finite. The later ones only
# follow from it.
#
# ## 7. Overfitting
#
# From here on there is no fault in the code. The network learns, but it memorizes. We give it 1,000
# training digits; a network with 256 hidden units can memorize all of them.


# %%
def fit(network, optimizer=None, samples=1000, epochs=30, **settings):
    optimizer = optimizer or Adam(2e-3)
    trainer = Trainer(network, cross_entropy, optimizer, batch_size=50, verbose=0, **settings)
    validation = x_val[:3000], y_val[:3000]
    trainer.fit(x_train[:samples], y_train[:samples], epochs, validation=validation)
    return trainer.history.to_dict()


def larger(**settings):
    return mlp([784, 256, 10], rng=np.random.default_rng(0), **settings)


histories = {"plain": fit(larger())}
curves = {name: column for name, column in histories["plain"].items() if name != "learning_rate"}
losses = curves["validation_loss"]
print(f"training loss at the end {curves['running_train_loss'][-1]:.4f}")
print(f"validation loss {min(losses):.3f} at epoch {np.argmin(losses) + 1}, then {losses[-1]:.3f}")
figure = plots.learning_curves(curves, title="1,000 digits, memorized")
figure.set_dpi(90)
figure

# %% [markdown]
# The dashed training loss falls almost to 0. The validation loss has its minimum early and then
# *rises* (slowly, on this scale; a later picture shows it larger), while the validation accuracy
# hardly changes. This is no contradiction: the number of mistakes stays the same, but the network
# becomes more and more confident in them, and the loss grows with that confidence.
#
# Four cures, each a few lines in the package:
#
# - **Early stopping**: stop when the validation loss no longer falls; go back to the best weights.
# - **A penalty**: add $\tfrac{\lambda}{2} \sum W^2$ to the loss. A weight then grows only if it
#   lowers the rest of the loss by more. `AdamW`, a form of Adam, has *weight decay* instead: each
#   step also shrinks the weights by a fixed share, here 0.2 % (the learning rate 0.002 times the
#   decay 1).
# - **Dropout**: set a random half of the hidden units to 0, drawn again for each sample in each
#   step, and double the others, so that their sum keeps its size. In evaluation all units work. No
#   unit can rely on another one.
# - **More data**, or data that you make: shift, turn and bend every digit a little, differently in
#   each epoch. The label stays correct. This is called *augmentation*.
#
# Here is what augmentation does:

# %%
distort = Distortion(shift=1, rotation=10, scaling=0.1, alpha=34)
chosen = [np.flatnonzero(y_train == digit)[0] for digit in (2, 5, 9)]
rows = []
for image in x_train[chosen]:
    copies = distort(np.tile(image, (9, 1)), np.random.default_rng(0))
    rows.append(np.hstack([image.reshape(28, 28), *copies.reshape(9, 28, 28)]))

figure, axes = plt.subplots(figsize=(8, 2.5), layout="constrained")
axes.imshow(np.vstack(rows), cmap="gray_r")
axes.axvline(27.5, color=RUN_COLOURS[5])
axes.set_axis_off()
axes.set_title("Left: three digits. Right: nine distorted copies of each", fontsize=10)
plt.show()

# %% [markdown]
# Up to one pixel of shift, 10 degrees of rotation, 10 % of scaling, and an *elastic* distortion, as
# if the paper were rubber (Simard, Steinkraus and Platt, 2003). You can still read almost all of
# them. To the network they are new.
#
# **Predict, then run.** Rank these by their validation accuracy before you look: early stopping,
# penalty, weight decay, dropout, augmentation, and ten times the data for comparison. ("best" in
# the table is the lowest validation loss of all epochs. `decay_mask` is 1 for weights and 0 for
# biases, which should not shrink. Three epochs with ten times the data take as many steps as 30
# epochs of the others.)

# %%
decayed, penalty = larger(), numpymlp.L2Penalty(3e-3)
adamw = numpymlp.AdamW(2e-3, weight_decay=1.0, mask=decayed.decay_mask)
histories |= {
    "early stopping": fit(larger(), early_stopping=numpymlp.EarlyStopping(patience=5)),
    "L2 penalty": fit(larger(), penalty=penalty),
    "weight decay": fit(decayed, adamw),
    "dropout": fit(larger(dropout=0.5)),
    "augmentation": fit(larger(), augment=distort),
    "10 times the data": fit(larger(), samples=10_000, epochs=3),
}

# %% tags=["hide-output"]
print("                     epochs   train loss   validation loss   best   validation accuracy")
results = {}
for name, history in histories.items():
    losses, last = history["validation_loss"], -1
    if name == "early stopping":
        last = int(np.argmin(losses))
    results[name] = history["validation_accuracy"][last]
    print(
        f"{name:20s} {len(losses):6d}   {history['running_train_loss'][last]:10.3f}"
        f"   {losses[last]:15.3f}  {min(losses):5.3f}   {100 * results[name]:17.1f} %"
    )

# %% tags=["hide-output", "hide-input"]
names = ("plain", "weight decay", "dropout", "augmentation")
figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
tidy(axes, "1,000 training digits", "epoch", "validation loss", grid="y")
for name, colour in zip(names, RUN_COLOURS, strict=False):
    axes.plot(range(1, 31), histories[name]["validation_loss"], color=colour, label=name)
axes.set_ylim(0, 0.8)
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Early stopping went back to its best epoch, the others trained to the end.
#
# Penalty, decay, dropout and early stopping keep the loss down. They change the accuracy by less
# than a point, up or down: they restrict the network and add no information. Distorted copies do
# add information: that a digit stays the same if it is moved or bent. They halve the loss and
# remove more than a third of the errors. Ten times the data helps about as much, if you have it.
#
# </details>
#
# With augmentation, the training loss is far higher than without. This is not a bad sign. The task
# is harder: no image comes twice, so memorizing does not help.
#
# ## 8. The way to 99 %
#
# With all training digits and more time, augmentation leads to 99 %. That takes about ten minutes
# on one core, so here is the recorded history of two training runs: 784-800-10, 55,000 training
# digits, 40 epochs, Adam with a cosine schedule from 0.002. One run saw the digits as they are, the
# other a new distortion of every digit in every epoch.
# [tutorials/results/way_to_99.py](results/way_to_99.py) recorded them; run it yourself.

# %% tags=["main", "hide-input"]
here = Path(globals().get("__file__", "tutorial")).parent
with (here / "results" / "way_to_99.csv").open(newline="") as file:
    rows = list(csv.DictReader(file))
columns = ("epoch", "running_train_loss", "running_train_accuracy")
columns += ("validation_loss", "validation_accuracy")
recorded = {
    run: {name: [float(row[name]) for row in rows if row["run"] == run] for name in columns}
    for run in dict.fromkeys(row["run"] for row in rows)
}
figure = plots.learning_curves(recorded, title="The way to 99 %")
figure.axes[-1].set_ylim(90, 100.3)
figure.set_dpi(90)
figure

# %%
tests = {row["run"]: float(row["test_accuracy"]) for row in rows if row["test_accuracy"]}
for run, accuracy in tests.items():
    print(f"{run:22s} test accuracy {100 * accuracy:.2f} %, {10_000 * (1 - accuracy):.0f} errors")

# %% [markdown]
# Without distortion (blue), the training accuracy reaches 100 %, and then there is nothing left to
# learn from. With distortion (orange), the network does *better* in validation than in training,
# in every epoch: the distorted training digits are harder. Almost half of the errors are gone.
#
# ## Checks

# %%
assert sound == [True, True, True, True]
assert uphill == [True, False, True, False]
assert mixed == [True, True, True, False]
assert dead.mean() > 0.8
assert "diverged" in message
assert (network.parameters == before).all()  # the Trainer restored the good weights
assert min(histories["plain"]["validation_loss"]) < histories["plain"]["validation_loss"][-1]
assert results["augmentation"] > results["plain"] + 0.02
assert tests["distorted digits"] > 0.99 > tests["digits as they are"]
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. Run the sanity tests first: the first loss, twenty samples, no input, new samples.
# 2. A loss that stays at ln K: unscaled inputs, a learning rate too high, dead units.
# 3. Random weights of the right size make units differ and keep gradients alive through the layers.
# 4. A validation loss that rises while the training loss falls: the network memorizes.
# 5. Restrictions such as dropout help a little; more data, or distorted copies, helps most.
#
# ## Exercises
#
# Fill in [tutorials/exercises/10_when_it_goes_wrong.py](exercises/10_when_it_goes_wrong.py). Then
# `.venv/bin/pytest tutorials/exercises -k 10`, run from the repository's root, tells you what is
# still wrong.
#
# ## Read next
#
# In the package: [numpymlp/data/augmentation.py](../numpymlp/data/augmentation.py), how an image is
# distorted; `Dropout`, `BatchNorm` and `LeakyReLU` in
# [numpymlp/layers.py](../numpymlp/layers.py). In the course:
# [11 Against scikit-learn](11_against_scikit_learn.ipynb).
