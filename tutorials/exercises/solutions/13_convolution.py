"""Solutions of the exercises for 13_convolution: one way among several, and why."""

import numpy as np

# ---- paper ----


def lenet_for_colour():
    """Give shapes and parameters of a network for colour images of 32 x 32 pixels."""
    return {
        "shape 1": (28, 28, 6),  # 32 - 5 + 1 = 28
        "parameters 1": 5 * 5 * 3 * 6 + 6,  # a filter sees all channels
        "pooled 1": (14, 14, 6),
        "parameters 2": 5 * 5 * 6 * 16 + 16,
        "flat": 5 * 5 * 16,  # 14 - 5 + 1 = 10, half of it is 5
    }


# ---- fill ----


def convolve(image, weights, stride):
    """Slide a filter over an image, `stride` pixels at a time."""
    k = len(weights)
    rows, columns = ((length - k) // stride + 1 for length in image.shape)
    y = np.zeros((rows, columns))
    for r, c in np.ndindex(rows, columns):
        # The output counts windows, the image counts pixels.
        top, left = r * stride, c * stride
        y[r, c] = (image[top : top + k, left : left + k] * weights).sum()
    return y


def max_pool_backward(x, dy):
    """Run the backward pass of max pooling over squares of 2 x 2."""
    n, height, width, channels = x.shape
    largest = x.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))
    # Bring the maximum and dy back to the size of x: each entry becomes a square of four.
    wide_largest = largest.repeat(2, axis=1).repeat(2, axis=2)
    wide_dy = dy.repeat(2, axis=1).repeat(2, axis=2)
    return wide_dy * (x == wide_largest)


# ---- explore ----


def receptive_field(layers, image):
    """Find how many rows of the image can influence *one* output."""
    y = image
    for layer in layers:
        y = layer.forward(y, training=True)
    dy = np.zeros_like(y)
    dy[0, y.shape[1] // 2, y.shape[2] // 2, 0] = 1
    for layer in reversed(layers):
        dy = layer.backward(dy)
    # Every layer of 3 x 3 adds two rows. After a stride of 2, a row more counts twice.
    return int((dy[0, :, :, 0] != 0).any(axis=1).sum())


# ---- fill * ----


def as_dense(weights, height, width):
    """Write a filter as the weight matrix of a dense layer."""
    k = len(weights)
    rows, columns = height - k + 1, width - k + 1
    matrix = np.zeros((height, width, rows, columns))
    for r, c in np.ndindex(rows, columns):
        # The window that begins at (r, c) has its pixels there, and the filter's weights in them.
        matrix[r : r + k, c : c + k, r, c] = weights
    return matrix.reshape(height * width, rows * columns)
