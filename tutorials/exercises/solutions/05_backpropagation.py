"""Solutions of the exercises for 05_backpropagation: one way among several, and why."""

import numpy as np

# ---- fill ----


def two_layers(x, W1, b1, W2, b2, dy):
    """Run the backward pass of two layers with tanh between them."""
    hidden = np.tanh(x @ W1 + b1)
    dhidden = dy @ W2.T
    dz1 = dhidden * (1 - hidden**2)  # hidden is tanh(z1) already
    return {
        "dW1": x.T @ dz1,
        "db1": dz1.sum(axis=0),
        "dW2": hidden.T @ dy,
        "db2": dy.sum(axis=0),
        "dx": dz1 @ W1.T,
    }


def shortcut(x, W, b, dy):
    """Run the backward pass of a residual block: x is also added to the layer's output."""
    # Two paths lead from x to y: through the layer, and directly. Their slopes are added.
    dz = dy * (x @ W + b > 0)
    return {"dW": x.T @ dz, "db": dz.sum(axis=0), "dx": dy + dz @ W.T}


# ---- fill * ----


def used_twice(x, W, dy):
    """Run the backward pass of two layers that share their weights."""
    z = x @ W
    hidden = np.maximum(z, 0)
    dz = (dy @ W.T) * (z > 0)
    # Each use of W has its own gradient, as if there were two matrices; the sum belongs to W.
    return x.T @ dz + hidden.T @ dy


# ---- explore ----


def second_layer_at_zero():
    """Find out which gradients vanish if the second layer starts at zero."""
    # dhidden = dy @ W2.T is 0: nothing reaches the first layer. But dW2 = hidden.T @ dy is not 0.
    # After one step W2 is not 0 either, and the first layer learns: this start is slow, not lost.
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    W1, b1, W2, b2 = rng.normal(size=(3, 4)), np.zeros(4), np.zeros((4, 2)), np.zeros(2)
    found = []
    for _ in range(2):
        hidden = np.maximum(x @ W1 + b1, 0)
        dz1 = (dy @ W2.T) * (hidden > 0)
        slopes = {"dW1": x.T @ dz1, "db1": dz1.sum(0), "dW2": hidden.T @ dy, "db2": dy.sum(0)}
        found.append({name for name, slope in slopes.items() if not slope.any()})
        for name, array in {"dW1": W1, "db1": b1, "dW2": W2, "db2": b2}.items():
            array -= 0.1 * slopes[name]
    return tuple(found)


# ---- paper ----


def network_by_hand():
    """Go forward and backward through a network by hand. Write down numbers."""
    # dy = y - 4. dW2 = hidden.T @ dy; dhidden = dy @ W2.T. The second unit is off: dz1 is 0 there.
    # dW1 = x.T @ dz1: the column of the unit that is off is 0. dx = dz1 @ W1.T = 4 * (1, 1).
    return {
        "z1": [[3, -1]],
        "hidden": [[3, 0]],
        "y": 6,
        "dy": 2,
        "dW2": [[6], [0]],
        "dhidden": [[4, 10]],
        "dz1": [[4, 0]],
        "dW1": [[4, 0], [8, 0]],
        "dx": [[4, 4]],
    }
