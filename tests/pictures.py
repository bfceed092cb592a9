"""Made-up data for the tests of the plots, and every picture drawn from it."""

import functools

import numpy as np

from numpymlp import MeanSquaredError, OneCycle, SoftmaxCrossEntropy, metrics, mlp, plots
from numpymlp.data.images import Picture, prepare_digit
from numpymlp.explain import trace

CLASSES = 10


@functools.cache
def answers():
    """Images (N, 8, 8), labels and probabilities of a made-up classifier, 1 in 8 wrong."""
    rng = np.random.default_rng(3)
    y_true = rng.integers(0, CLASSES, 400)
    logits = 6.0 * np.eye(CLASSES)[y_true] + 2.2 * rng.normal(size=(400, CLASSES))
    rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return rng.random((400, 8, 8)), y_true, rows


def history(epochs=6, **without):
    e = np.arange(1, epochs + 1)
    columns = {
        "epoch": e.tolist(),
        "running_train_loss": (0.9 / e**2).tolist(),
        "running_train_accuracy": (1 - 0.3 / e).tolist(),
        "validation_loss": (0.3 + 0.02 * (e - 4) ** 2).tolist(),
        "validation_accuracy": (0.95 - 0.01 * abs(e - 3)).tolist(),
        "learning_rate": (1e-3 / e).tolist(),
        "seconds": [0.5] * epochs,
    }
    return columns | without


def diagnostics():
    steps = np.arange(0, 500, 50)
    layers = {"Dense 1": np.geomspace(1e-2, 1e-4, 10), "Dense 2": np.geomspace(1e-1, 1e-4, 10)}
    return steps, layers


def boundary(classes=2, frames=3):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, 2))
    points[:, 0] = np.floor(points[:, 0]) + 0.5
    labels = (points[:, 0] > 0).astype(int)
    x0, x1, inputs = plots.boundary_grid(points, size=50)
    # Frame n puts the boundary at x0 = n: the first is right everywhere.
    parts = [1 / (1 + np.exp(-8 * (inputs[:, 0] - n))) for n in range(frames)]
    rest = [(1 - p) / (classes - 1) for p in parts]
    pictures = [
        np.stack([r, p] + [r] * (classes - 2), axis=1) for p, r in zip(parts, rest, strict=True)
    ]
    return x0, x1, pictures, points, labels


def surface():
    w0, w1 = np.linspace(-2, 2, 41), np.linspace(-1, 1, 21)
    loss = w0[None] ** 2 + 5 * w1[:, None] ** 2
    ways = {"SGD": np.array([[-1.5, 0.8], [-0.5, 0.1]]), "Adam": np.array([[-1.5, 0.8], [0, 0]])}
    return w0, w1, loss, ways


def searched(candidates):
    rng = np.random.default_rng(4)
    return [
        {
            "round": n,
            "epochs": epochs,
            "learning_rate_init": float(10 ** rng.uniform(-4, -1)),
            "batch_size": int(rng.choice([32, 64, 128, 256, 512])),
            "hidden_layer_sizes": [(64,), (256, 128)][rng.integers(2)],
            "dropout": float(rng.uniform(0, 0.4)),
            "validation_accuracy": 1 - 0.05 / epochs * rng.uniform(0.5, 2),
        }
        for n, epochs in ((1, 1), (2, 3), (3, 9))
        for _ in range(max(1, candidates // epochs))
    ]


@functools.cache
def traced(*sizes, rows=1, **options):
    """The pass of made-up samples through a network of these sizes."""
    rng = np.random.default_rng(6)
    network = mlp(sizes, rng=rng, dtype=np.float64, **options)
    x, y = rng.normal(size=(rows, sizes[0])).round(1), rng.integers(0, sizes[-1], rows)
    if network.head.name == "identity":
        return trace(network, MeanSquaredError(), x, rng.normal(size=(rows, sizes[-1])))
    return trace(network, SoftmaxCrossEntropy(), x, y, training=rows > 1)


def benchmark_figure(networks):
    seconds = {
        "numpymlp, float32": [1.0, 1.1, 0.9],
        "numpymlp, float64": [2.0],
        "scikit-learn, float64": [4.0, 3.5, 4.2],
        "matrix products alone": [0.4],
    }
    return plots.benchmark_times(
        {
            f"784-{n}00-10, batch 128": {
                k: [n * v for v in values] for k, values in seconds.items()
            }
            for n in range(1, networks + 1)
        },
        reference="numpymlp, float32",
        no_library=["matrix products alone"],
        note="A processor\n2 threads",
    )


def weights(units=40):
    return np.random.default_rng(1).normal(size=(64, units)) * np.linspace(1, 2, units)


def seen(blank=False):
    """A picture as `predict` sees it, its ink a rectangle."""
    gray = np.ones((60, 90), np.float32)
    if blank:
        return Picture(gray, None, None, 0)
    gray[10:50, 20:50] = 0
    return Picture(gray, (10, 50, 20, 50), prepare_digit(gray), 1)


def every_picture():
    """Return a function that draws each picture, by name."""
    images, y_true, rows = answers()
    pred = rows.argmax(axis=1)
    long_names = [f"Ankle boot {k}" for k in range(CLASSES)]
    matrix = metrics.confusion_matrix(y_true, pred, CLASSES)
    scores = metrics.precision_recall_f1(y_true, pred, CLASSES)
    steps, layers = diagnostics()
    hidden = [np.maximum(weights()[:5].ravel(), 0), np.tanh(weights()[0])]
    wrong = int(np.flatnonzero(pred != y_true)[0])
    one = images[wrong], hidden, rows[wrong]
    mnist = np.random.default_rng(0).multinomial(10000, np.full(100, 0.01)).reshape(10, 10)
    return {
        "grid": lambda: plots.prediction_grid(images, y_true, pred),
        "grid, one image": lambda: plots.prediction_grid(images[:1], y_true[:1], pred[:1]),
        "grid, names": lambda: plots.prediction_grid(images, y_true, pred, class_names=long_names),
        "mistakes": lambda: plots.mistakes(images, y_true, rows),
        "mistakes, names": lambda: plots.mistakes(images, y_true, rows, class_names=long_names),
        "pairs": lambda: plots.confused_pairs(images, y_true, rows),
        "pairs, wide": lambda: plots.confused_pairs(np.repeat(images, 3, axis=2), y_true, rows),
        "pairs, names": lambda: plots.confused_pairs(images, y_true, rows, class_names=long_names),
        "confusion": lambda: plots.confusion_matrix(matrix),
        "confusion, names": lambda: plots.confusion_matrix(matrix, class_names=long_names),
        "confusion, large": lambda: plots.confusion_matrix(mnist + np.diag([1000] * 10)),
        "confusion, many": lambda: plots.confusion_matrix(np.ones((26, 26)) + 90 * np.eye(26)),
        "confusion, two": lambda: plots.confusion_matrix([[9, 0], [2, 11]]),
        "scores": lambda: plots.class_scores(scores),
        "scores, names": lambda: plots.class_scores(scores, class_names=long_names),
        "reliability": lambda: plots.reliability_diagram(metrics.reliability_table(y_true, rows)),
        "curves": lambda: plots.learning_curves(history()),
        "curves, one epoch": lambda: plots.learning_curves(history(1)),
        "curves, long": lambda: plots.learning_curves(history(1000)),
        "curves, runs": lambda: plots.learning_curves({f"run {i}": history() for i in range(9)}),
        "curves, title": lambda: plots.learning_curves(
            history(), title="Learning curves of a network of three wide layers, and of its rate"
        ),
        "curves, test": lambda: plots.learning_curves(
            history(),
            rates=[OneCycle()(step, 60) for step in range(60)],
            test={"loss": 0.25, "accuracy": 0.9824},
        ),
        "curves, clipped": lambda: plots.learning_curves(history(running_train_loss=[1e-200] * 6)),
        "weights": lambda: plots.first_layer_weights(weights()),
        "filmstrip": lambda: plots.weights_filmstrip([weights() * k for k in range(7)], range(7)),
        "activations": lambda: plots.activations(*one, truth=int(y_true[wrong])),
        "activations, deep": lambda: plots.activations(images[0], hidden * 3, rows[0]),
        "activations, names": lambda: plots.activations(
            *one,
            truth=int(y_true[wrong]),
            class_names=[f"a rather {name}" for name in long_names],
        ),
        "activations, many": lambda: plots.activations(
            *one[:2], np.linspace(0, 2 / 47, 47), truth=3
        ),
        "diagnostics": lambda: plots.training_diagnostics(
            steps, gradient_rms=layers, dead_share=layers, update_ratio=layers
        ),
        "diagnostics, one step": lambda: plots.training_diagnostics(
            steps[:1], dead_share={name: column[:1] for name, column in layers.items()}
        ),
        "pass": lambda: plots.pass_through(traced(2, 3, 2)),
        "pass, values": lambda: plots.pass_through(traced(3, 3, 1, output="identity")),
        "pass, batch": lambda: plots.pass_through(traced(4, 8, 6, 5, rows=3), row=1),
        "pass, deep": lambda: plots.pass_through(
            traced(2, 3, 3, 3, 2, rows=4, batch_norm=True, dropout=0.5)
        ),
        "pass, large": lambda: plots.pass_through(traced(64, 40, 30, 10)),
        "pass, image": lambda: plots.pass_through(traced(64, 40, 10), image_shape=(8, 8)),
        "paths": lambda: plots.optimizer_paths(*surface()),
        "boundary": lambda: plots.boundary_filmstrip(*boundary()),
        "boundary, three": lambda: plots.boundary_filmstrip(*boundary(3, 6)),
        "boundary, network": lambda: plots.decision_boundary(
            mlp([2, 8, 3], rng=np.random.default_rng(0)), boundary()[3], boundary()[4]
        ),
        "benchmark": lambda: benchmark_figure(3),
        "benchmark, even": lambda: benchmark_figure(2),
        "search": lambda: plots.search_results(searched(27)),
        "search, few": lambda: plots.search_results(searched(2)[:2]),
        "distortions": lambda: plots.distortions(images[0], images[1:13]),
        "distortions, one": lambda: plots.distortions(images[0].ravel(), images[1:2]),
        "sheet": lambda: plots.reading_sheet(
            [seen(), seen(blank=True)], [rows[wrong], None], ["1.png", "a_very_" * 7], ["", "blank"]
        ),
    }
