# %% [markdown]
# # 00 The data: from bytes to arrays
#
# ## What you will build
#
# A reader for the files in which MNIST is kept, in ten lines, and with it this course's whole
# material: 70,000 small pictures of digits that people wrote by hand, each with its right answer. A
# network will learn to read them. Before that, you should know what it gets to see: rows of
# numbers, and nothing else.
#
# ## What you need
#
# Python, and NumPy's arrays: what a shape is, and what `a[0]` and `a + 1` do. No earlier page.
#
# ## Symbols
#
# | formula | code | shape | meaning |
# |---|---|---|---|
# | $N$ | `len(x)` | | number of samples |
# | $x$ | `x` | `(N, 784)` | the samples, one in each row, as numbers from 0 to 1 |
# | $y$ | `y` | `(N,)` | the right answers, "labels": integers from 0 to 9 |
#
# Run this page cell by cell, or as a whole, from the repository's root:
# `python tutorials/00_the_data.py`.

# %%
import gzip
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import numpymlp

# %% [markdown]
# ## Four files
#
# The data lies inside the package, as its authors published it: four files, compressed with gzip.
# Two hold pictures, two hold labels. `train` is to learn from; `t10k`, ten thousand samples that
# the network never sees while it learns, is to test it with.

# %%
folder = Path(numpymlp.__file__).parent / "data" / "mnist"
for path in sorted(folder.glob("*.gz")):
    with gzip.open(path) as file:
        print(f"{path.name:30} {len(file.read()):>10,} bytes")

# %% [markdown]
# Look at the numbers before you read on. A picture is 28 pixels high and 28 wide, which makes
# $28 \times 28 = 784$ pixels, and a pixel takes one byte: 47,040,000 bytes for 60,000 pictures. The
# file is 16 bytes longer than that. The file of labels has 60,000 labels and 8 bytes more. Those
# extra bytes come first. They are the *header*, and tell what follows.

# %%
with gzip.open(folder / "train-labels-idx1-ubyte.gz") as file:
    content = file.read()
print("header:", content[:8].hex(" "))
print("values:", content[8:20].hex(" "))

# %% [markdown]
# Every two characters are one byte, written in base 16. The format is called IDX, and its header
# reads like this:
#
# | bytes | here | meaning |
# |---|---|---|
# | 2 | `00 00` | always zero |
# | 1 | `08` | type of the values: 8 stands for bytes from 0 to 255 |
# | 1 | `01` | number of dimensions |
# | 4 for each dimension | `00 00 ea 60` | its length |
#
# **Predict, then run.** (Whenever you read this, stop, and say your answer aloud or write it down
# before you look further. A guess that turns out wrong teaches most.) Four bytes make one integer.
# Is it 60,000 if the first byte counts most, or if the last one does? (Python calls these orders
# "big" and "little".)

# %%
print("little:", int.from_bytes(content[4:8], "little"))
print("big:   ", int.from_bytes(content[4:8], "big"))

# %% [markdown]
# The first byte counts most. The other way round the file would claim 1.6 billion labels, and no
# error would say so: bytes do not know what they mean. This is why a reader compares what a header
# promises with the length of the file. Yours will too.

# %% [markdown]
# ## Your own reader
#
# `np.frombuffer` looks at bytes as an array; `reshape` gives them their dimensions. The product of
# the dimensions must be the number of values that are there. If it is not, stop at once: an error
# here is worth more than a strange picture later.


# %%
def parse_idx(content):
    """Turn the bytes of an IDX file of type 8 into an array."""
    assert content[:3] == b"\x00\x00\x08", "this is no IDX file of bytes"
    dimensions = content[3]
    start = 4 + 4 * dimensions
    shape = tuple(int(n) for n in np.frombuffer(content[4:start], dtype=">u4"))
    values = np.frombuffer(content[start:], dtype=np.uint8)
    assert len(values) == np.prod(shape), f"{shape} promised, {len(values)} bytes found"
    return values.reshape(shape)


# %% [markdown]
# `">u4"` means: unsigned integers of 4 bytes, big end first. It does for all dimensions at once
# what `int.from_bytes` did for one.


# %%
def read(name):
    with gzip.open(folder / name) as file:
        return parse_idx(file.read())


images = read("train-images-idx3-ubyte.gz")
labels = read("train-labels-idx1-ubyte.gz")
print("images", images.shape, images.dtype)
print("labels", labels.shape, labels.dtype, "the first ten:", labels[:10])

# %% [markdown]
# Sixty thousand pictures in one array, `(60000, 28, 28)`: which picture, which row of pixels, which
# column. And one label for each. Does your reader notice a damaged file? Cut off the last byte.

# %%
try:
    parse_idx(content[:-1])
except AssertionError as error:
    print("refused:", error)

# %% [markdown]
# ## Look at it
#
# First the numbers themselves: the upper part of picture 0. A 0 is background, 255 is full ink.

# %%
for row in images[0, 4:13, 6:26]:
    print(" ".join(f"{pixel:3}" for pixel in row))

# %% [markdown]
# You may see a shape in it already: a bar at the top, and a stroke that turns down and to the
# right. Now as pictures. `np.hstack` puts ten of them side by side, `np.vstack` stacks five such
# rows.

# %% tags=["main"]
rows = [np.hstack(images[start : start + 10]) for start in range(0, 50, 10)]
figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
axes.imshow(np.vstack(rows), cmap="gray_r")
axes.set_axis_off()
axes.set_title("The first fifty pictures: ink is drawn black")
plt.show()

# %%
print(labels[:50].reshape(5, 10))

# %% [markdown]
# The labels stand in the same order. Compare a few: the picture in the upper left corner, the one
# with the bar at its top, is a 5. Some are easy, and some you could argue about. That is the task:
# from the pixels alone, give the label.

# %% [markdown]
# ## The trap in a byte
#
# A network computes with fractions and with negative numbers. Bytes know neither. Suppose you
# wanted the ink brighter by 10 everywhere, or to compare two pictures by their difference.
#
# **Predict, then run.** Pixel A is 5 and pixel B is 10, both bytes. What is A - B?

# %%
a, b = np.array([5], dtype=np.uint8), np.array([10], dtype=np.uint8)
print("as bytes:    ", a - b)
print("as fractions:", a.astype(np.float32) - b.astype(np.float32))

# %% [markdown]
# Below 0, bytes start again at 255, as a clock does at 12, and NumPy does not complain about it in
# arrays. So the first thing to do with pictures is to turn them into fractions. Dividing by
# `np.float32(255)` does both things that we want: the values become `float32`, and they lie between
# 0 and 1. (A plain 255 would give `float64`: twice the memory.) Numbers of about that size are what
# a network learns well from.
#
# The second thing to do: a network of the kind that we build does not know that pixels have
# neighbours. It takes a sample as a plain row of numbers. So every picture is unrolled, row of
# pixels after row of pixels, into 784 numbers. `-1` tells `reshape` to work out that length itself.

# %%
x = images.reshape(len(images), -1) / np.float32(255)
y = labels.astype(np.int64)
print("x", x.shape, x.dtype, "from", x.min(), "to", x.max())
print("y", y.shape, y.dtype)

# %% [markdown]
# This is the form in which every page of this course holds data, and the first rule to remember:
# **rows are samples**. `x[i]` is the sample number `i`, `y[i]` its label, and `x[:, 400]` is the
# pixel number 400 of all samples.
#
# **Predict, then run.** What do you see if you average all pictures of a 0, pixel by pixel? And
# which digit gives the most blurred average?

# %%
means = np.stack([x[y == digit].mean(axis=0) for digit in range(10)])
figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
pictures = means.reshape(10, 28, 28)
axes.imshow(np.vstack([np.hstack(pictures[:5]), np.hstack(pictures[5:])]), cmap="gray_r")
axes.set_axis_off()
axes.set_title("The average picture of each digit")
plt.show()
print("darkest pixel of each:", means.max(axis=1).round(2))
print("samples of each digit:", np.bincount(y))

# %% [markdown]
# `y == digit` is True where the label is that digit; used as an index it picks those rows. The
# averages are blurred, but they can be read: pixels alone say much about the digit. The darkest
# pixel of each tells how blurred it is: it would be 1 if all people inked the same place. The 1
# comes near that, with 0.97; the 5 is lowest, with 0.68, since people write it in so many ways and
# at so many angles. The counts say that the digits are about equally frequent, from 5,421 fives to
# 6,742 ones. Whoever guesses at random is right about one time in ten.
#
# Can these ten pictures already read? Call each test picture what its nearest average is. It takes
# nothing but averages, and gives a number to beat.

# %%
test_images, test_labels = read("t10k-images-idx3-ubyte.gz"), read("t10k-labels-idx1-ubyte.gz")
x_test = test_images.reshape(len(test_images), -1) / np.float32(255)
y_test = test_labels.astype(np.int64)
distances = np.stack([((x_test - mean) ** 2).sum(axis=1) for mean in means], axis=1)
answers = distances.argmin(axis=1)
baseline = (answers == y_test).mean()
print(f"the nearest average is right for {baseline:.2%} of the test pictures")

# %% [markdown]
# 82 %, from ten averages. The networks of this course will reach more than 97 %, and the 15 points
# between are what learning is worth here.
#
# ## Checks
#
# The package reads the same files with `load_mnist`; its reader also knows other types and refuses
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
# 2. Bytes do not know what they mean: check the length that a header promises.
# 3. Bytes wrap around at 0 and 255, so turn them into fractions before you compute.
# 4. Rows are samples: `x` is `(N, 784)` with values from 0 to 1, `y` is `(N,)` with the labels.
# 5. Calling each test picture by its nearest average is right 82 % of the time: beat that.
#
# ## Exercises
#
# Fill in `tutorials/exercises/00_the_data.py`. Then `pytest tutorials/exercises -k 00`, run from
# the repository's root, tells you what is still wrong.
#
# ## Read next
#
# In the package: `numpymlp/data/idx.py`, the reader with all that a reader must refuse. In the
# course: `01_one_neuron.py`, where a single neuron learns.
