# %% [markdown]
# # 09 Train on MNIST and look inside
#
# ## What you will build
#
# A network that reads about 98 % of handwritten digits that it has never seen, after a few seconds
# of training. Then you look inside: at the weights of its neurons, at its mistakes, and at its
# confidence. At the end it reads a digit of your own.
#
# ## What you need
#
# [06 Layers as classes](06_layers_as_classes.ipynb) for the network,
# [08 Optimizers](08_optimizers.ipynb) for Adam and its schedule, [03 Softmax](03_softmax.ipynb) for
# probabilities.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $N$ | `len(x)` | | number of samples |
# | $x$ | `x_train`, `x_val`, `x_test` | (N, 784) | images, pixels from 0 to 1 |
# | $y$ | `y_train`, `y_val`, `y_test` | (N,) | targets: the true digits |
# | $W$ | `network.layers[0].W` | (784, 128) | weights from the pixels to the hidden units |
# | | `probabilities` | (N, 10) | the network's output after softmax |
# | $q$ | `accuracy` | number | share of correct predictions |

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from drawing import you_are_here

from numpymlp import (
    Adam,
    OneCycle,
    SoftmaxCrossEntropy,
    Trainer,
    evaluate,
    load,
    load_mnist,
    metrics,
    minibatches,
    mlp,
    plots,
    save,
    train_validation_split,
)
from numpymlp.data import prepare_digit
from numpymlp.plots.style import DIVERGING, INK, RUN_COLOURS, tidy

# %matplotlib inline

# %% tags=["hide-input"]
you_are_here("the whole network, now with 784 inputs, 128 hidden units, 10 classes")

# %% [markdown]
# ## 1. Three sets, for three questions
#
# - The **training set** answers: which weights? The network learns from it.
# - The **validation set** answers: which settings? How many epochs, which learning rate? You look
#   at it as often as you like, and with each look you fit your choices to it a little.
# - The **test set** answers: how good is the network in the end? You choose nothing by it.
#
# MNIST comes in two parts. We hold out a tenth of the first part for validation: at random, but so
# that each digit is as frequent in both.

# %%
(x_all, y_all), (x_test, y_test) = load_mnist()
rng = np.random.default_rng(0)
(x_train, y_train), (x_val, y_val) = train_validation_split(x_all, y_all, 0.1, rng)
for name, x, y in (
    ("train", x_train, y_train),
    ("validation", x_val, y_val),
    ("test", x_test, y_test),
):
    print(f"{name:11s} {x.shape}  {x.dtype}  digits {np.bincount(y)}")

# %% [markdown]
# ## 2. The network, before it has learned
#
# 784 pixels, 128 hidden units with ReLU, 10 logits.

# %%
network = mlp([784, 128, 10], rng=np.random.default_rng(0))
loss = SoftmaxCrossEntropy()
print(network.summary())

# %% [markdown]
# **Predict, then run.** Its weights are random, and its loss must be near $\ln 10$ (page 03). Which
# answers does it give to the 6,000 validation images: every digit about equally often?

# %% tags=["hide-output"]
first = evaluate(network, loss, x_val, y_val)
print(f"loss {first.loss:.2f} (ln 10 = {np.log(10):.2f}), accuracy {100 * first.accuracy:.1f} %")
print("answers of each digit:", np.bincount(network.predict(x_val), minlength=10))

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# No. A few digits get most of the answers, and some get hardly any. All images of digits have much
# in common: blank edges, ink in the middle. So random weights give nearly the same logits for all
# of them, and the largest logit is often the same one.
#
# </details>
#
# Still, the accuracy is near one in ten: each digit is the right answer for about a tenth of the
# images. If your own network starts with a loss of 30, something is wrong before training has
# begun.
#
# ## 3. Train
#
# This is the loop of the last pages once more, over one epoch: forward, loss, backward, step.

# %%
optimizer, rng, values = Adam(1e-3), np.random.default_rng(1), []
for x, y in minibatches(x_train, y_train, batch_size=128, rng=rng):
    logits = network.forward(x, training=True)
    values.append(loss.forward(logits, y))
    network.backward(loss.backward())
    optimizer.step(network.parameters, network.gradients)

print(f"{len(values)} steps; loss at the first {values[0]:.2f}, mean of the last 50 ", end="")
print(f"{np.mean(values[-50:]):.2f}")

# %% [markdown]
# `Trainer` is this loop with the usual additions: validation after each epoch, a schedule, a
# history. We start again from random weights. A *callback*, a function that the trainer calls after
# each epoch, keeps a copy of the first layer's weights for later.

# %%
network = mlp([784, 128, 10], rng=np.random.default_rng(0))
snapshots = [network.layers[0].W.copy()]
trainer = Trainer(
    network,
    loss,
    Adam(5e-3),
    schedule=OneCycle(),
    batch_size=128,
    callbacks=[lambda trainer: snapshots.append(network.layers[0].W.copy())],
    verbose=0,
)
history = trainer.fit(x_train, y_train, epochs=6, validation=(x_val, y_val))

# %%
print("epoch   train loss (running)   validation loss   validation accuracy")
for row in history.rows:
    print(
        f"{row['epoch']:5d}   {row['running_train_loss']:20.3f}   {row['validation_loss']:15.3f}"
        f"   {100 * row['validation_accuracy']:17.2f} %"
    )

# %% [markdown]
# ## 4. Read the curves

# %%
figure = plots.learning_curves(history.to_dict())
figure.set_dpi(90)
figure

# %% [markdown]
# Left is the loss, right the accuracy. Below is the learning rate at the end of each epoch, which
# `OneCycle` brings down to 0 (its short rise lies within the first epoch). Solid lines are the
# validation set, dashed lines the training set. The star marks the epoch with the lowest validation
# loss.
#
# **Predict, then run.** In the first epoch the training loss is far *above* the validation loss.
# Are training samples harder than validation samples? Think of when each is measured.

# %% tags=["hide-output"]
clean = evaluate(network, loss, x_train, y_train)
last = history.rows[-1]
print(f"first epoch:  running train loss {history.rows[0]['running_train_loss']:.3f}")
print(f"last epoch:   running train loss {last['running_train_loss']:.4f}")
print(f"now, all training samples again:  {clean.loss:.4f}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# The running loss is the mean over all batches of the epoch, measured while the weights change. In
# the first epoch it includes the high losses of the beginning. The validation loss is measured
# after the epoch. That explains the difference. Measured again with the final weights, the training
# loss is a little lower than its last running value.
#
# </details>
#
# Compare that last number with the validation loss: the loss on the training set is several times
# smaller. The network has partly memorized its training digits. Page 10 shows what to do about it.
#
# ## 5. The test set, once

# %%
probabilities = network.predict_proba(x_test)  # (10000, 10)
answers = probabilities.argmax(axis=1)
accuracy = (answers == y_test).mean()
standard_error = np.sqrt(accuracy * (1 - accuracy) / len(y_test))
print(f"test accuracy {100 * accuracy:.2f} % +- {100 * standard_error:.2f} %")

# %% [markdown]
# Close to 98 %. The second number says how much the result depends on which 10,000 digits happen to
# be in the test set. If each of $N$ independent samples is read correctly with probability $q$, the
# share of correct answers has the standard error $\sqrt{q\,(1 - q) / N}$, here about 0.15
# percentage points. Two networks that differ by 0.1 points on one test set may well be equally
# good.
#
# From here on we look at the test digits in detail. That is allowed, because we choose nothing by
# them any more.
#
# ## 6. What do the hidden units look for?
#
# Each hidden unit has 784 weights, one for each pixel, so its weights are a picture too. We draw
# the five units of 128 whose weights changed most, before training and after each epoch. Red
# weights are positive: ink there raises the unit's value. Blue weights are negative: ink there
# lowers it.

# %%
figure = plots.weights_filmstrip(snapshots, range(7))
figure.set_dpi(80)
figure

# %% [markdown]
# At the start there is noise. After one epoch there are strokes, and they get sharper: blue bars
# and arcs, with red beside them. Such a unit has a large value if the blue place has no ink but the
# red place beside it has: it detects pieces of lines. Nobody told the network to look for strokes;
# it found that they lower the loss. But these are the five that changed most. Here are 12 of the
# 128 units, drawn at random, after training:

# %% tags=["hide-input"]
drawn = np.random.default_rng(0).choice(128, 12, replace=False)
pictures = snapshots[-1][:, drawn].T.reshape(12, 28, 28)
figure, axes = plt.subplots(figsize=(8, 0.8), dpi=80, layout="constrained")
limit = abs(pictures).max() / 2
axes.imshow(np.hstack(pictures), cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest")
axes.set_axis_off()
plt.show()

# %% [markdown]
# In some you can see strokes; most look much more like noise. A unit need not have a meaning for
# us, if the last layer can combine it with others.
#
# **Predict, then run.** The outermost corners keep their noise from the start. Why?

# %% tags=["hide-output"]
never_inked = (x_train == 0).all(axis=0)  # (784,)
change = abs(snapshots[-1] - snapshots[0])[never_inked]
print(f"{never_inked.sum()} of 784 pixels are 0 in every training image")
print(f"largest change of their weights: {change.max()}")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# These pixels are always 0, and the gradient of a weight is its input times something:
# $dW = x^T dy$. No ink, no gradient: the weights keep their first random values.
#
# </details>
#
# ## 7. One digit through the network

# %%
i = 0
hidden = network.activations(x_test[i : i + 1])[1][0]  # after the ReLU, (128,)
figure = plots.activations(x_test[i], [hidden], probabilities[i], truth=y_test[i])
figure.set_dpi(90)
figure

# %% [markdown]
# From left to right: the image, the outputs of the 128 hidden units, the probabilities. Bright
# cells are units with a large output. About half of the units are 0, because ReLU sets negative
# values to 0. The last layer combines the others, and gives one digit almost all the probability.
#
# ## 8. Mistakes
#
# The network misreads about 220 of the 10,000 test digits. These are its most confident mistakes:

# %% tags=["main"]
figure = plots.mistakes(x_test, y_test, probabilities, limit=12)
figure.set_dpi(80)
figure

# %% [markdown]
# Each image is shown with its true class and the two most probable answers. Some would be hard for
# you too. Others are clear to us but not to the network: it does not know that digits consist of
# strokes that may be moved, turned or thickened.
#
# Which digits are taken for which? The **confusion matrix** counts it: a row for each true digit, a
# column for each answer.

# %%
matrix = np.zeros((10, 10), dtype=int)
np.add.at(matrix, (y_test, answers), 1)  # one count for each sample
assert (matrix == metrics.confusion_matrix(y_test, answers)).all()

figure = plots.confusion_matrix(matrix)
figure.set_dpi(90)
figure

# %% [markdown]
# The green diagonal counts right answers. Every other cell counts mistakes; darker means more
# frequent. (The left half counts samples, the right half shows each row in percent.) These are the
# most frequent mistakes:

# %%
for confusion in metrics.most_confused(matrix, 5):
    print(f"a {confusion.true} was called {confusion.predicted}: {confusion.times} times")

# %% [markdown]
# Pairs such as 4 and 9, or 7 and 2, differ by one short stroke.
#
# ## 9. Does it know when it is unsure?
#
# The largest probability of a sample is the network's *confidence* in its answer. Of all answers
# with a confidence of 0.8, 80 % should be right. A network for which this holds at every confidence
# is called *calibrated*. Group the answers by their confidence, and count:

# %%
confidence, right = probabilities.max(axis=1), answers == y_test
for low, high in ((0.0, 0.6), (0.6, 0.9), (0.9, 0.99), (0.99, 1.01)):
    inside = (confidence >= low) & (confidence < high)
    mean_confidence, hits = 100 * confidence[inside].mean(), 100 * right[inside].mean()
    print(f"confidence {low:.2f} to {min(high, 1):.2f}: {inside.sum():5d} digits, ", end="")
    print(f"mean confidence {mean_confidence:5.1f} %, {hits:5.1f} % right")

# %%
figure = plots.reliability_diagram(metrics.reliability_table(y_test, probabilities))
figure.set_size_inches(8, 4.6)
figure.set_dpi(90)
figure

# %% [markdown]
# Upper part: on the dashed line, the accuracy equals the confidence. Lower part: how many digits
# fall into each bin; almost all are in the last one. The title gives the *expected calibration
# error*: the mean gap between confidence and accuracy, with each bin weighted by its number of
# samples. It is small here, about half a percent, because nearly all answers are confident and
# right. But look at the bins with low confidence: there the network tends to be overconfident.
#
# The confidence is useful even so. If a human reads the digits with the lowest confidence, how many
# mistakes are left among the others?

# %%
order = np.argsort(-confidence)  # the most confident first
answered = np.arange(1, len(order) + 1) / len(order)
errors = 100 * np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
figure, axes = plt.subplots(figsize=(8, 2.8), layout="constrained")
title = "Answer only where the confidence is high"
tidy(axes, title, "share of digits answered (%)", "errors (%)", grid="y")
axes.plot(100 * answered, errors, color=RUN_COLOURS[0])
axes.axvline(95, color=INK, linewidth=1, linestyle=":")
plt.show()
print(f"answering the most confident 95 %: {errors[int(0.95 * len(order)) - 1]:.2f} % errors")
print(f"answering all:                     {errors[-1]:.2f} % errors")

# %% [markdown]
# Leaving one digit in twenty to a human removes most of the errors.
#
# ## 10. Save the network
#
# A model file holds the architecture and all parameters as one vector. The loaded network gives the
# same answers.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "digits.npz"
    save(network, path)
    loaded = load(path)
print(loaded)

# %% [markdown]
# ## 11. Your own digit
#
# Three commands, in a terminal at the root of the repository:
#
# ```sh
# .venv/bin/numpymlp train                         # train a network; it is kept in runs
# .venv/bin/numpymlp predict --show my-digit.jpg   # read your photo, show what was seen
# .venv/bin/numpymlp page                          # an HTML file: draw, and look inside
# ```
#
# Write the ten digits on paper, photograph them one by one, and let `predict` read them. Or draw
# them on the page. Some will be misread. Why, if 98 % of the test digits are read correctly?
#
# The network knows digits only as MNIST has them: bright ink on a background of 0, the longer side
# 20 pixels, the centre of mass in the middle. A photo is different. Here is one, made by a program:
# a 3 in dark ink, in the corner of a grey sheet.

# %%
drawing = """
.............. .............. .....####..... ....#....#.... .........#.... ........#.....
......##...... ........#..... .........#.... ....#....#.... .....####..... .............."""
ink = np.kron([[letter == "#" for letter in line] for line in drawing.split()], np.ones((4, 4)))
photo = np.full((112, 112), 0.8)
photo[2:50, 54:110] -= 0.6 * ink

smaller = photo.reshape(28, 4, 28, 4).mean(axis=(1, 3))  # 28 x 28: the mean of 4 x 4 pixels
ways = {
    "made smaller": smaller,
    "and inverted: ink bright, paper 0": (0.8 - smaller) / 0.6,
    "as MNIST was made": prepare_digit(photo).reshape(28, 28),
}

# %% [markdown]
# **Predict, then run.** Which of the three pictures does the network read as a 3? (The figure draws
# 0 white and 1 black, so the grey sheet looks dark and its dark ink light.)

# %% tags=["hide-output"]
figure, panels = plt.subplots(1, 3, figsize=(8, 2.9), layout="constrained")
read = {}
for axes, (name, image) in zip(panels, ways.items(), strict=True):
    row = network.predict_proba(image.reshape(1, 784).astype(np.float32))[0]
    read[name] = row.argmax()
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    axes.set_axis_off()
    axes.set_title(f"{name}:\na {row.argmax()}, with {row.max():.0%}", fontsize=10)
plt.show()

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# The last one. For the others, look at the titles: if an answer is right there, it is right by
# chance, and a wrong one may be given with great confidence. The network has never seen a picture
# like these.
#
# </details>
#
# `predict` prepares every picture in the third way. How much does the place alone matter? Move all
# test digits to the right:

# %%
for pixels in (0, 1, 2, 3, 4, 5):
    moved = np.roll(x_test.reshape(-1, 28, 28), pixels, axis=2).reshape(-1, 784)
    share = (network.predict(moved) == y_test).mean()
    print(f"{pixels} pixels to the right: {100 * share:5.1f} % read correctly")

# %% [markdown]
# Each weight belongs to one pixel, so what was learned at one place is not known at the next.
#
# What else fails, and why:
#
# - *A thin pen.* Scaled to 20 pixels, a thin line is pale. Draw thicker.
# - *A 7 with a bar, a 1 with a long upstroke.* MNIST was written in the USA, and few of its digits
#   look like these. Train on digits of your own as well.
# - *A digit that leans or is turned.* Weights belong to pixels. Distorted training digits help
#   (page 10).
# - *A letter, a face.* Ten probabilities that sum to 1 cannot say "none of these". `predict`
#   compares a picture with the training digits, and gives no answer if none is similar.
#
# ## Checks

# %%
assert abs(first.loss - np.log(10)) < 0.3
assert accuracy > 0.97
assert matrix.sum() == 10_000
assert np.trace(matrix) == right.sum()
assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
assert (loaded.predict_proba(x_test[:100]) == network.predict_proba(x_test[:100])).all()
assert change.max() == 0
assert read["as MNIST was made"] == 3
assert share < accuracy - 0.3
assert metrics.expected_calibration_error(y_test, probabilities) < 0.02
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. Train on one set, choose settings on a second, evaluate once on a third.
# 2. A running training loss and a validation loss are measured at different times.
# 3. Some hidden units become detectors for pieces of lines; most look like noise, and work.
# 4. The confusion matrix shows which classes are mixed up; the misread images show why.
# 5. Calibration asks whether answers with a confidence of 80 % are right in 80 % of the cases.
#
# ## Exercises
#
# Fill in
# [tutorials/exercises/09_train_and_look_inside.py](exercises/09_train_and_look_inside.py). Then
# `.venv/bin/pytest tutorials/exercises -k 09`, run from the repository's root, tells you what is
# still wrong.
#
# ## Read next
#
# In the package: [numpymlp/training/trainer.py](../numpymlp/training/trainer.py), which has the
# four lines inside the `Trainer`, then [numpymlp/metrics/](../numpymlp/metrics/__init__.py) and
# [numpymlp/plots/](../numpymlp/plots/__init__.py). In the course:
# [10 When it goes wrong](10_when_it_goes_wrong.ipynb).
