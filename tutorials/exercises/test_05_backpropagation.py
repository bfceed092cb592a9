"""Check the exercises of 05_backpropagation: `.venv/bin/pytest tutorials/exercises -k 05`.

The upstream gradient dy is random: with equal numbers, wrong answers could pass. All gradients are
listed, right or wrong, in the order of the backward pass: the first wrong one is the mistake.
"""

import numpy as np
from diagnosis import expect, expect_dict, fail, numeric_gradient


def compare(got, arrays, f, causes):
    """Compare a dict of gradients with finite differences of f(), each with its own diagnoses."""
    right = {name: numeric_gradient(f, array) for name, array in arrays.items()}
    named = {
        name: [
            *causes.get(name, []),
            (value / 5, "you divide by N; dy contains the mean already."),
            (-value, "the sign is wrong; no rule here changes a sign."),
        ]
        for name, value in right.items()
    }
    expect_dict(got, right, named, tolerance=1e-7)


def layer_causes(x, W, wrong):
    """Return the causes for dW, db and dx from wrong gradients at the output of x @ W + b."""
    return {
        "dW": [(x.T @ dz, diagnosis) for dz, diagnosis in wrong],
        "db": [(dz.sum(axis=0), diagnosis) for dz, diagnosis in wrong],
        "dx": [(dz @ W.T, diagnosis) for dz, diagnosis in wrong],
    }


def test_two_layers(exercise):
    rng = np.random.default_rng(0)
    shapes = (5, 3), (3, 4), (4,), (4, 2), (2,)
    x, W1, b1, W2, b2 = (rng.normal(size=shape) for shape in shapes)
    dy = rng.normal(size=(5, 2))
    z1 = x @ W1 + b1
    hidden, dhidden = np.tanh(z1), dy @ W2.T
    no_tanh = "the derivative of tanh, 1 - hidden**2, is missing on the way to the first layer."
    of_hidden = "hidden is tanh(z1) already: use 1 - hidden**2, not 1 - np.tanh(hidden)**2."
    relu = "this is the rule of ReLU; tanh has the derivative 1 - hidden**2."
    of_z1 = "1 - z1**2 uses the number before tanh; use the number after it: 1 - hidden**2."
    not_squared = "the square is missing: the derivative of tanh is 1 - hidden**2."
    wrong = [
        (dhidden, no_tanh),
        (dhidden * (1 - np.tanh(hidden) ** 2), of_hidden),
        (dhidden * (z1 > 0), relu),
        (dhidden * (1 - z1**2), of_z1),
        (dhidden * (1 - hidden), not_squared),
    ]
    first = layer_causes(x, W1, wrong)
    causes = {
        "dW2": [(z1.T @ dy, "the input of the second layer is hidden, after tanh, not z1.")],
        "db2": [(dy.mean(axis=0), "sum over the batch; dy contains the mean already.")],
        "dW1": first["dW"],
        "db1": first["db"],
        "dx": first["dx"],
    }
    got = exercise.two_layers(x, W1, b1, W2, b2, dy)
    arrays = {"dW2": W2, "db2": b2, "dW1": W1, "db1": b1, "dx": x}
    compare(got, arrays, lambda: (dy * (np.tanh(x @ W1 + b1) @ W2 + b2)).sum(), causes)


def test_shortcut(exercise):
    rng = np.random.default_rng(1)
    x, W, b = (rng.normal(size=shape) for shape in ((5, 3), (3, 3), (3,)))
    dy = rng.normal(size=(5, 3))
    on = x @ W + b > 0
    y = x + np.maximum(x @ W + b, 0)
    no_relu = "ReLU is missing: the gradient passes only where x @ W + b is positive."
    mask_of_y = "your mask asks where y is positive; ReLU is on where x @ W + b is positive."
    causes = layer_causes(x, W, [(dy, no_relu), (dy * (y > 0), mask_of_y)])
    causes["dx"] = [
        ((dy * on) @ W.T, "the direct path is missing: x is also added to the layer's output."),
        (dy, "this is the direct path alone; x acts through the layer too."),
        (dy + dy @ W.T, no_relu),
        (dy + (dy * (y > 0)) @ W.T, mask_of_y),
        (((dy + dy) * on) @ W.T, "the direct path does not pass through W and ReLU."),
        (dy * ((dy * on) @ W.T), "the slopes of two paths are added, not multiplied."),
    ]
    got = exercise.shortcut(x, W, b, dy)
    arrays = {"dW": W, "db": b, "dx": x}
    compare(got, arrays, lambda: (dy * (x + np.maximum(x @ W + b, 0))).sum(), causes)


def test_used_twice(exercise):
    rng = np.random.default_rng(2)
    x, W, dy = rng.normal(size=(5, 3)), rng.normal(size=(3, 3)), rng.normal(size=(5, 3))
    z = x @ W
    hidden = np.maximum(z, 0)
    first, second = x.T @ ((dy @ W.T) * (z > 0)), hidden.T @ dy
    causes = [
        (second, "this is the second use of W alone; the first use also changes the loss."),
        (first, "this is the first use of W alone; the second use also changes the loss."),
        ((first + second) / 2, "the slopes of two uses are added, not averaged."),
        (x.T @ (dy @ W.T) + second, "ReLU is missing between the two uses."),
    ]
    right = numeric_gradient(lambda: (dy * (np.maximum(x @ W, 0) @ W)).sum(), W)
    expect("dW", exercise.used_twice(x, W, dy), right, causes, tolerance=1e-7)


def test_second_layer_at_zero(exercise):
    got = exercise.second_layer_at_zero()
    if not isinstance(got, tuple | list) or len(got) != 2:
        fail("second_layer_at_zero: return two sets of names.")
    for when, names, right in zip(
        ("at the start", "after one step"), got, ({"dW1", "db1"}, set()), strict=True
    ):
        if set(names) - right:
            fail(f"{when}: {', '.join(sorted(set(names) - right))} is not 0: which rule makes it?")
        if right - set(names):
            fail(f"{when}: {', '.join(sorted(right - set(names)))} is 0: what does dy pass?")


def test_network_by_hand(exercise):
    x, W1, W2 = np.array([[1, 2]]), np.array([[1, 1], [1, -1]]), np.array([[2], [5]])
    z1 = x @ W1
    hidden = np.maximum(z1, 0)
    y = (hidden @ W2).item()
    dy, dhidden = y - 4, (y - 4) * W2.T
    dz1 = dhidden * (z1 > 0)
    right = {"z1": z1, "hidden": hidden, "y": y, "dy": dy, "dW2": hidden.T * dy}
    right |= {"dhidden": dhidden, "dz1": dz1, "dW1": x.T @ dz1, "dx": dz1 @ W1.T}
    off = "the second unit is off, because its z1 is negative: no gradient passes."
    causes = {
        "hidden": [(z1, "ReLU makes -1 to 0.")],
        "dy": [(2.0 * dy, "the half cancels the 2 of the square."), (-dy, "it is y - target.")],
        "dW2": [(z1.T * dy, "the second layer's input is hidden, after ReLU.")],
        "dz1": [(dhidden, off)],
        "dW1": [(x.T @ dhidden, off), ((x.T @ dz1).T, "this is dW1 transposed.")],
        "dx": [(dhidden @ W1.T, off), (dz1 @ W1, "dx = dz1 @ W1.T, transposed.")],
    }
    expect_dict(exercise.network_by_hand(), right, causes)
