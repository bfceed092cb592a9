# %% [markdown]
# # 00 The data: what a network sees
#
# ## What you will build
#
# First you watch a network read digits, and change a digit under its eyes. Then you see what it was
# trained on: 70,000 small images of handwritten digits, each with its label. This data set is
# called MNIST, and the whole course uses it. You build two classifiers that do not learn, and see
# how far they get (a *classifier* gives each image a label). At the end you open the files
# themselves and write a reader for their bytes, in ten lines.
#
# ## What you need
#
# Python, and NumPy arrays: what a shape is, and what `a[0]` and `a + 1` do. No earlier page.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $N$ | `len(x)` | | number of samples |
# | $x$ | `x` | `(N, 784)` | the samples, one in each row, as numbers from 0 to 1 |
# | $y$ | `y` | `(N,)` | the targets: the correct answers, here labels from 0 to 9 |
#
# Run this page cell by cell, or as a whole from the root of the repository:
# `.venv/bin/python tutorials/00_the_data.py`.

# %%
import gzip
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from drawing import you_are_here

import numpymlp
from numpymlp import Adam, OneCycle, SoftmaxCrossEntropy, Trainer

# %matplotlib inline

# %% [markdown]
# ## A network that reads
#
# These lines train a network, in a few seconds. You need not understand them yet: the whole course
# leads up to them. For now, look only at the last line, the share of test images that the network
# reads correctly. It has never seen these images before.

# %%
(x, y), (x_test, y_test) = numpymlp.load_mnist()
network = numpymlp.mlp([784, 128, 10], rng=np.random.default_rng(0))
trainer = Trainer(network, SoftmaxCrossEntropy(), Adam(5e-3), schedule=OneCycle(), verbose=0)
trainer.fit(x, y, epochs=3)
network_accuracy = (network.predict(x_test) == y_test).mean()
print(f"test accuracy of the network: {network_accuracy:.1%}")

# %% [markdown]
# Now a digit that nobody has drawn before. Each `#` below is a spot of ink, each dot is blank.

# %%
drawing = """
..............
..............
.....####.....
....#....#....
.........#....
........#.....
......##......
........#.....
.........#....
....#....#....
.....####.....
..............
..............
.............."""

# %% [markdown]
# The function `ask` turns the drawing into numbers, 1 for ink and 0 for blank, and gives them to
# the network. The network answers with a probability for each of the ten digits. The function
# prints the three largest.


# %%
def ask(drawing):
    ink = [[character == "#" for character in line] for line in drawing.split()]
    image = np.kron(ink, np.ones((2, 2)))  # every character becomes 2 x 2 pixels
    probabilities = network.predict_proba(image.reshape(1, 784).astype(np.float32))[0]
    for digit in np.argsort(-probabilities)[:3]:
        print(f"{digit}: {probabilities[digit]:6.1%}")
    return probabilities.argmax()


first_answer = ask(drawing)

# %% [markdown]
# It is a 3, says the network, and is nearly certain.
#
# **Predict, then run.** (Stop at these words. Say your answer aloud or write it down before you go
# on. You learn most from a wrong prediction.) We change four lines: the stroke in the upper right
# moves to the upper left. What does the network read now?

# %% tags=["hide-output"]
lines = drawing.split()
lines[3:7] = ["....#.........", "....#.........", "....#.........", ".....####....."]
print("\n".join(lines))
second_answer = ask("\n".join(lines))

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# A 5. A few spots of ink moved, and the answer changed with them. (In a notebook, click on the
# three dots to see what the cell printed.)
#
# </details>
#
# Now change `drawing` yourself, and run the cells again. Draw a 0, a 1 and an 8. Then find a digit
# that you can read and the network cannot: a 7 that stands upright, or a 3 in a corner. Page 09
# looks at such mistakes, and page 10 at the cure.
#
# **How does it do this?** Nobody told it what a 3 looks like: no rule about arcs and strokes, here
# or anywhere in the package. It was shown 60,000 images with their labels, and it adjusted 101,770
# numbers until its answers fitted. The next pages build such a network from nothing: one neuron
# (page 01), a layer of neurons (02), probabilities (03), a hidden layer (04), and the method that
# adjusts all the numbers (05). Here is a very small network, whole:

# %% tags=["hide-input"]
you_are_here("the data", 0)

# %% [markdown]
# This drawing returns on every page, with the part in colour that the page is about. Read it from
# left to right: two inputs, three neurons, two classes, and the loss, one number that says how
# wrong the answer was. Each line with numbers on it is a weight. Blue numbers are values; orange
# ones say how fast the loss changes with the number above them. A dashed line is a negative weight.
# After page 05 you can compute all numbers, and you know the names above the columns. (*Dense* is
# the usual name of a layer of neurons.) This page is about the left edge: what a network gets. (A
# notebook shows the figure that a cell ends in. In a script, save it: write
# `.savefig("drawing.png")` after the closing bracket of the call.)
#
# ## Rows of numbers
#
# `load_mnist` has returned two sets. The *training set*, `x` and `y`, is what the network learns
# from. The *test set*, `x_test` and `y_test`, is kept apart: ten thousand samples that the network
# never sees during training.

# %%
print("x", x.shape, x.dtype, "from", x.min(), "to", x.max())
print("y", y.shape, y.dtype, "the first ten:", y[:10])

# %% [markdown]
# An image is 28 pixels high and 28 pixels wide. In `x` it is a plain row of
# $28 \times 28 = 784$ numbers, one row of pixels after the other. The networks up to page 12 do not
# know that pixels have neighbours; page 13 builds a layer that does. Until then, every page holds
# data in this form, so the first rule to remember is: **rows are samples**. `x[i]` is sample `i`,
# `y[i]` is its label, and `x[:, 400]` is pixel 400 of all samples.
#
# Here is the upper part of image 0, as numbers. A dot is background, exactly 0; 1.0 is full ink. (A
# 0.0 is a trace of ink, less than 0.05.)

# %%
for row in x[0].reshape(28, 28)[4:13, 6:26]:
    print(" ".join(f"{pixel:.1f}" if pixel else " . " for pixel in row))

# %% [markdown]
# You may already see a shape: a bar at the top, and a stroke that turns down and to the right. Now
# as images, fifty of them.

# %% tags=["main", "hide-input"]
pictures = x[:50].reshape(5, 10, 28, 28)
figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
axes.imshow(np.vstack([np.hstack(row) for row in pictures]), cmap="gray_r")
axes.set_axis_off()
axes.set_title("The first fifty images: ink is drawn black")
plt.show()

# %%
print(y[:50].reshape(5, 10))

# %% [markdown]
# The labels have the same order. Compare a few: the image in the upper left corner, with the bar at
# the top, is a 5. Some images are easy, and about some you could argue. This is the task: predict
# the label from the pixels alone.
#
# ## How far do you get without learning?
#
# **Predict, then run.** What do you see if you average all images of a 0, pixel by pixel? And which
# digit gives the most blurred average?

# %% tags=["hide-output"]
means = np.stack([x[y == digit].mean(axis=0) for digit in range(10)])
figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
pictures = means.reshape(10, 28, 28)
axes.imshow(np.vstack([np.hstack(pictures[:5]), np.hstack(pictures[5:])]), cmap="gray_r")
axes.set_axis_off()
axes.set_title("The average image of each digit")
plt.show()
print("darkest pixel of each:", means.max(axis=1).round(2))
print("samples of each digit:", np.bincount(y))

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# You see a blurred 0. The darkest pixel of an average measures the blur: it would be 1 if everyone
# put ink in the same place. The 1 comes near that, with 0.97. The 5 has the lowest value, 0.68,
# because people write it in many shapes and at many angles.
#
# </details>
#
# (`y == digit` is True where the label is that digit. Used as an index, it selects those rows.)
#
# You can read the averages: single pixels already say much about the digit. The counts show that
# the digits are about equally frequent, from 5,421 fives to 6,742 ones. So a random guess is
# correct about one time in ten.
#
# Can these ten averages classify digits? Give each test image the label of the nearest average.

# %%
distances = np.stack([((x_test - mean) ** 2).sum(axis=1) for mean in means], axis=1)
average_accuracy = (distances.argmin(axis=1) == y_test).mean()
print(f"test accuracy of the nearest average: {average_accuracy:.2%}")

# %% [markdown]
# The second classifier averages nothing. It compares the test image with *all* 60,000 training
# images and takes the label of the most similar one, its *nearest neighbour*. That is slow, so we
# try every tenth test image only. (The squared distance of a training image $a$ and a test image
# $b$ is $a \cdot a - 2\,a \cdot b + b \cdot b$, where $a \cdot b$ is the sum of the products of
# their pixels. The last term is the same for all training images, so it does not change which is
# nearest. `@` computes all $a \cdot b$ at once; page 02 explains it.)
#
# **Predict, then run.** Will the nearest neighbour do better than the averages? Better than the
# network?

# %% tags=["hide-output"]
some, some_labels = x_test[::10], y_test[::10]
squares = (x**2).sum(axis=1)
nearest = [
    (squares - 2 * part @ x.T).argmin(axis=1)  # (100, 60000): its smallest column
    for part in np.split(some, 10)
]
neighbour_accuracy = (y[np.concatenate(nearest)] == some_labels).mean()
print(f"nearest average    {average_accuracy:.1%} of 10,000")
print(f"nearest neighbour  {neighbour_accuracy:.1%} of {len(some):,}")
print(f"network            {network_accuracy:.1%} of 10,000")

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# Far better than the averages, and a little worse than the network. Over all 10,000 test images it
# reaches 96.91 % (write `x_test` and `y_test` instead of `x_test[::10]` and `y_test[::10]`; it
# takes half a minute).
#
# </details>
#
# So the averages are too easy a rival for a network: a program that learns nothing, and compares
# single pixels, reads almost 97 % of the digits. What does learning buy, then? The network keeps
# 101,770 numbers and needs about as many multiplications for an answer; the nearest neighbour keeps
# 47 million numbers, and needs as many multiplications. And the network has room to improve: on
# page 10, a wider one that was trained on distorted digits misreads 80 of the 10,000 test images,
# where the nearest neighbour misreads 309.
#
# ## From bytes to numbers
#
# The second half of this page asks where `x` comes from. You can skip it and come back later.
#
# The package contains the data as its authors published it: four files, compressed with gzip. Two
# hold images, two hold labels. The `train` files hold the training set, the `t10k` files the test
# set.

# %%
folder = Path(numpymlp.__file__).parent / "data" / "mnist"
for path in sorted(folder.glob("*.gz")):
    with gzip.open(path) as file:
        print(f"{path.name:30} {len(file.read()):>10,} bytes")

# %% [markdown]
# Look at these sizes before you read on. Each image has 784 pixels of one byte each, which makes
# 47,040,000 bytes for 60,000 images. The file is 16 bytes longer. The file of labels holds 60,000
# labels and 8 bytes more. These extra bytes come first. They are the *header*: it describes the
# values that follow.

# %%
with gzip.open(folder / "train-labels-idx1-ubyte.gz") as file:
    content = file.read()
print("header:", content[:8].hex(" "))
print("values:", content[8:20].hex(" "))

# %% [markdown]
# Every two characters are one byte, written in base 16. The format is called IDX. This is its
# header:
#
# | bytes | here | meaning |
# |---|---|---|
# | 2 | `00 00` | always zero |
# | 1 | `08` | type of the values: 8 stands for bytes from 0 to 255 |
# | 1 | `01` | number of dimensions |
# | 4 for each dimension | `00 00 ea 60` | length of the dimension |
#
# **Predict, then run.** Four bytes make one integer. Is it 60,000 if the first byte counts most, or
# if the last byte does? (Python calls these two orders "big" and "little".)

# %% tags=["hide-output"]
print("little:", int.from_bytes(content[4:8], "little"))
print("big:   ", int.from_bytes(content[4:8], "big"))

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# The first byte counts most.
#
# </details>
#
# In the other order the header would promise 1.6 billion labels, and Python would report no error:
# bytes do not say what they mean. So a reader compares the length in the header with the length of
# the file. Your reader will do that too.

# %% [markdown]
# ### Your own reader
#
# `np.frombuffer` reads bytes as an array. `reshape` gives the array its dimensions. The product of
# the dimensions must equal the number of values. If it does not, stop at once: an error here is
# better than a strange image later.


# %%
def parse_idx(content):
    """Turn the bytes of an IDX file of type 8 into an array."""
    assert content[:3] == b"\x00\x00\x08", "expected an IDX file of bytes: 00 00 08 at its start"
    dimensions = content[3]
    start = 4 + 4 * dimensions
    shape = tuple(int(n) for n in np.frombuffer(content[4:start], dtype=">u4"))
    values = np.frombuffer(content[start:], dtype=np.uint8)
    assert len(values) == np.prod(shape), f"expected {shape} values, got {len(values)} bytes"
    return values.reshape(shape)


# %% [markdown]
# `">u4"` means: unsigned integers of 4 bytes, the first byte counts most. It does for all
# dimensions what `int.from_bytes` did for one.


# %%
def read(name):
    with gzip.open(folder / name) as file:
        return parse_idx(file.read())


images = read("train-images-idx3-ubyte.gz")
labels = read("train-labels-idx1-ubyte.gz")
print("images", images.shape, images.dtype)
print("labels", labels.shape, labels.dtype)

# %% [markdown]
# Sixty thousand images in one array of shape `(60000, 28, 28)`: image, row of pixels, column of
# pixels. And one label for each image. Does your reader notice a damaged file? Cut off the last
# byte.

# %%
try:
    parse_idx(content[:-1])
except AssertionError as error:
    print("refused:", error)

# %% [markdown]
# ### Bytes wrap around
#
# A network computes with fractions and with negative numbers. A byte can hold neither. Suppose that
# you want to make all ink brighter by 10, or to subtract one image from another.
#
# **Predict, then run.** Pixel A is 5 and pixel B is 10, both bytes. What is A - B?

# %% tags=["hide-output"]
a, b = np.array([5], dtype=np.uint8), np.array([10], dtype=np.uint8)
print("as bytes:    ", a - b)
print("as fractions:", a.astype(np.float32) - b.astype(np.float32))

# %% [markdown]
# <details><summary><b>Answer</b></summary>
#
# As bytes it is 251. Below 0, a byte starts again at 255, as a clock starts again at 12. NumPy does
# not warn about this in arrays.
#
# </details>
#
# So first convert the images to fractions. Dividing by `np.float32(255)` does two things: the
# values become `float32`, and they lie between 0 and 1. (A plain 255 would give `float64`, which
# takes twice the memory.) A network learns well from numbers of about this size. Then make each
# image one row: with `-1`, `reshape` computes the 784 itself.

# %%
my_x = images.reshape(len(images), -1) / np.float32(255)
my_y = labels.astype(np.int64)
test_images, test_labels = read("t10k-images-idx3-ubyte.gz"), read("t10k-labels-idx1-ubyte.gz")
my_x_test = test_images.reshape(len(test_images), -1) / np.float32(255)
print("x", my_x.shape, my_x.dtype, "from", my_x.min(), "to", my_x.max())

# %% [markdown]
# ## Checks
#
# The reader of the package also knows other types, and refuses damaged files with a clear message.
# For these files it must give exactly your arrays.

# %%
assert np.array_equal(my_x, x)
assert np.array_equal(my_y, y)
assert np.array_equal(my_x_test, x_test)
assert np.array_equal(test_labels, y_test)
assert x.shape == (60_000, 784)
assert x_test.shape == (10_000, 784)
assert (first_answer, second_answer) == (3, 5)
assert 0.82 < average_accuracy < 0.95 < neighbour_accuracy
assert network_accuracy > 0.97
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. A network gets rows of numbers and nothing else: `x` is `(N, 784)` with values from 0 to 1.
# 2. Rows are samples: `x[i]` is an image, `y[i]` its label.
# 3. The nearest of ten average images gives 82 % test accuracy, the nearest of all training images
#    96.9 %: that is what learning must beat.
# 4. Bytes do not say what they mean: check the length that a header promises.
# 5. Bytes wrap around at 0 and 255, so convert them to fractions before you compute.
#
# ## Exercises
#
# Fill in [exercises/00_the_data.py](exercises/00_the_data.py). Then run
# `.venv/bin/pytest tutorials/exercises -k 00` from the root of the repository: it tells you what is
# still wrong.
#
# ## Read next
#
# - In the package: [data/idx.py](../numpymlp/data/idx.py), a reader that also checks everything a
#   file can have wrong.
# - In the course: [01 One neuron](01_one_neuron.ipynb), where a single neuron learns.
