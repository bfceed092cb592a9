# %% [markdown]
# # 00 The data: from bytes to arrays
#
# ## What you will build
#
# A reader for the MNIST files, in ten lines. It gives you the data of this whole course: 70,000
# small images of handwritten digits, each with its label. A network will learn to read these
# digits. Before that, you should know what the network gets: rows of numbers, and nothing else.
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

import numpymlp

# %% [markdown]
# ## Four files
#
# The package contains the data as its authors published it: four files, compressed with gzip. Two
# hold images, two hold labels. The `train` files hold the training set, from which the network
# learns. The `t10k` files hold the test set: ten thousand samples that the network never sees
# during training.

# %%
folder = Path(numpymlp.__file__).parent / "data" / "mnist"
for path in sorted(folder.glob("*.gz")):
    with gzip.open(path) as file:
        print(f"{path.name:30} {len(file.read()):>10,} bytes")

# %% [markdown]
# Look at these sizes before you read on. An image is 28 pixels high and 28 pixels wide. That makes
# $28 \times 28 = 784$ pixels of one byte each, and 47,040,000 bytes for 60,000 images. The file is
# 16 bytes longer. The file of labels holds 60,000 labels and 8 bytes more. These extra bytes come
# first. They are the *header*: it describes the values that follow.

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
# **Predict, then run.** (Stop at these words. Say your answer aloud or write it down before you go
# on. You learn most from a wrong prediction.) Four bytes make one integer. Is it 60,000 if the
# first byte counts most, or if the last byte does? (Python calls these two orders "big" and
# "little".)

# %%
print("little:", int.from_bytes(content[4:8], "little"))
print("big:   ", int.from_bytes(content[4:8], "big"))

# %% [markdown]
# The first byte counts most. In the other order the header would promise 1.6 billion labels, and
# Python would report no error: bytes do not say what they mean. So a reader compares the length in
# the header with the length of the file. Your reader will do that too.

# %% [markdown]
# ## Your own reader
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
print("labels", labels.shape, labels.dtype, "the first ten:", labels[:10])

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
# ## Look at it
#
# First the numbers: the upper part of image 0. A 0 is background, 255 is full ink.

# %%
for row in images[0, 4:13, 6:26]:
    print(" ".join(f"{pixel:3}" for pixel in row))

# %% [markdown]
# You may already see a shape: a bar at the top, and a stroke that turns down and to the right. Now
# as images. `np.hstack` puts ten of them side by side, `np.vstack` stacks five such rows.

# %% tags=["main"]
rows = [np.hstack(images[start : start + 10]) for start in range(0, 50, 10)]
figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
axes.imshow(np.vstack(rows), cmap="gray_r")
axes.set_axis_off()
axes.set_title("The first fifty images: ink is drawn black")
plt.show()

# %%
print(labels[:50].reshape(5, 10))

# %% [markdown]
# The labels have the same order. Compare a few: the image in the upper left corner, with the bar at
# the top, is a 5. Some images are easy, and about some you could argue. This is the task: predict
# the label from the pixels alone.

# %% [markdown]
# ## Bytes wrap around
#
# A network computes with fractions and with negative numbers. A byte can hold neither. Suppose that
# you want to make all ink brighter by 10, or to subtract one image from another.
#
# **Predict, then run.** Pixel A is 5 and pixel B is 10, both bytes. What is A - B?

# %%
a, b = np.array([5], dtype=np.uint8), np.array([10], dtype=np.uint8)
print("as bytes:    ", a - b)
print("as fractions:", a.astype(np.float32) - b.astype(np.float32))

# %% [markdown]
# Below 0, a byte starts again at 255, as a clock starts again at 12. NumPy does not warn about this
# in arrays. So first convert the images to fractions. Dividing by `np.float32(255)` does two
# things: the values become `float32`, and they lie between 0 and 1. (A plain 255 would give
# `float64`, which takes twice the memory.) A network learns well from numbers of about this size.
#
# Then flatten the images. The networks of this course do not know that pixels have neighbours: they
# take a sample as a plain row of numbers. So each image becomes one row of 784 numbers, one row of
# pixels after the other. With `-1`, `reshape` computes this length itself.

# %%
x = images.reshape(len(images), -1) / np.float32(255)
y = labels.astype(np.int64)
print("x", x.shape, x.dtype, "from", x.min(), "to", x.max())
print("y", y.shape, y.dtype)

# %% [markdown]
# Every page of this course holds data in this form. The first rule to remember is: **rows are
# samples**. `x[i]` is sample `i`, `y[i]` is its label, and `x[:, 400]` is pixel 400 of all samples.
#
# **Predict, then run.** What do you see if you average all images of a 0, pixel by pixel? And which
# digit gives the most blurred average?

# %%
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
# `y == digit` is True where the label is that digit. Used as an index, it selects those rows.
#
# The averages are blurred, but you can read them: single pixels already say much about the digit.
# The darkest pixel of an average measures the blur. It would be 1 if everyone put ink in the same
# place. The 1 comes near that, with 0.97. The 5 has the lowest value, 0.68, because people write it
# in many shapes and at many angles.
#
# The counts show that the digits are about equally frequent: from 5,421 fives to 6,742 ones. A
# random guess is correct about one time in ten.
#
# Can these ten averages classify digits? Give each test image the label of the nearest average.
# This takes no learning beyond ten averages, and it gives a baseline: an accuracy to beat.

# %%
test_images, test_labels = read("t10k-images-idx3-ubyte.gz"), read("t10k-labels-idx1-ubyte.gz")
x_test = test_images.reshape(len(test_images), -1) / np.float32(255)
y_test = test_labels.astype(np.int64)
distances = np.stack([((x_test - mean) ** 2).sum(axis=1) for mean in means], axis=1)
predictions = distances.argmin(axis=1)
baseline = (predictions == y_test).mean()
print(f"test accuracy of the nearest average: {baseline:.2%}")

# %% [markdown]
# 82 %, from ten averages. A stronger method without training is the *nearest neighbour*: give each
# test image the label of the most similar training image. Its test accuracy is 96.91 %, but for
# every answer it must compare all 60,000 training images. The networks of this course reach more
# than 97 %, and a network needs no training image for its answer.
#
# ## Checks
#
# The package reads the same files with `load_mnist`. Its reader also knows other types and refuses
# damaged files with a clear message. It must give exactly your arrays.

# %%
(x_package, y_package), (x_test_package, y_test_package) = numpymlp.load_mnist()
assert np.array_equal(x, x_package)
assert np.array_equal(y, y_package)
assert np.array_equal(x_test, x_test_package)
assert np.array_equal(y_test, y_test_package)
assert x.shape == (60_000, 784)
assert x_test.shape == (10_000, 784)
assert baseline > 0.82
print("all checks passed")

# %% [markdown]
# ## In five lines
#
# 1. MNIST is four files of bytes: a short header, then one byte for each pixel or label.
# 2. Bytes do not say what they mean: check the length that a header promises.
# 3. Bytes wrap around at 0 and 255, so convert them to fractions before you compute.
# 4. Rows are samples: `x` is `(N, 784)` with values from 0 to 1, `y` is `(N,)` with the labels.
# 5. The nearest of ten average images gives 82 % test accuracy: beat that.
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
