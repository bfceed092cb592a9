"""The same training run written for each library, as its users would write it for speed.

Every class builds a network of Dense layers and ReLU, some with convolutions before them, trains it
with Adam on softmax cross-entropy over shuffled mini-batches, and predicts labels. Nothing else is
timed. Each measurement runs in its own process; see `worker.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from numpymlp.schedules import Schedule

if TYPE_CHECKING:
    from numpymlp import Trainer

Data = tuple[np.ndarray, np.ndarray]


@dataclass
class Peer:
    """The settings of a training run; each subclass builds a model and trains it."""

    sizes: list[int]  # units of each layer, inputs and outputs included
    batch: int
    rate: float  # learning rate
    schedule: Schedule | None = None
    seed: int = 0
    dtype: str = "float32"
    beta2: float = 0.999  # of Adam
    filters: Sequence[int] = ()  # of convolutions of 5 x 5, each with a max pool of 2 x 2
    model: Any = field(init=False)

    def __post_init__(self) -> None:
        """Import the library and build the model."""
        raise NotImplementedError

    def train(self, data: Data, epochs: int, after_epoch: Callable[[], bool]) -> None:
        """Train from new weights; stop as soon as `after_epoch` returns True."""
        raise NotImplementedError

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the labels of samples (N, 784)."""
        return self.model.predict(x)

    def dense_sizes(self) -> list[int]:
        """Return the sizes of the Dense layers: the first reads the output of the convolutions."""
        if not self.filters:
            return self.sizes
        side = 28
        for _ in self.filters:
            side = (side - 4) // 2
        return [side * side * self.filters[-1], *self.sizes[1:]]

    def learning_rates(self, rows: int, epochs: int) -> np.ndarray:
        """Return the learning rate of each step: (epochs, steps of an epoch)."""
        steps = -(-rows // self.batch)
        total = epochs * steps
        factors = [self.schedule(step, total) if self.schedule else 1.0 for step in range(total)]
        return self.rate * np.reshape(factors, (epochs, steps))


class NumpyMLP(Peer):
    """A Network and its Trainer."""

    def __post_init__(self) -> None:
        from numpymlp import lenet, mlp

        options: Any = {"rng": np.random.default_rng(self.seed), "dtype": self.dtype}
        if self.filters:
            self.model = lenet(self.filters, self.sizes[1], **options)
        else:
            self.model = mlp(self.sizes, **options)

    def trainer(self, after_epoch: Callable[[], bool]) -> Trainer:
        from numpymlp import Adam, SoftmaxCrossEntropy, Trainer

        return Trainer(
            self.model,
            SoftmaxCrossEntropy(),
            Adam(self.rate, beta2=self.beta2),
            batch_size=self.batch,
            schedule=self.schedule,
            callbacks=[lambda trainer: after_epoch()],
            seed=self.seed,
            verbose=0,
        )

    def train(self, data: Data, epochs: int, after_epoch: Callable[[], bool]) -> None:
        self.trainer(after_epoch).fit(*data, epochs=epochs)


class TwoWorkers(NumpyMLP):
    """Two processes with one BLAS thread each, which share the network."""

    def train(self, data: Data, epochs: int, after_epoch: Callable[[], bool]) -> None:
        from numpymlp.training.split_trainer import train_split

        trainer = self.trainer(after_epoch)
        train_split(2, trainer, *trainer.prepare(*data, None, None, None), epochs)


class NumpyMLPEstimator(Peer):
    """`numpymlp.sklearn.MLPClassifier` in float32."""

    def __post_init__(self) -> None:
        from numpymlp.sklearn import MLPClassifier

        self.model = MLPClassifier(
            tuple(self.sizes[1:-1]),
            alpha=0.0,
            batch_size=self.batch,
            learning_rate_init=self.rate,
            beta_2=self.beta2,
            schedule=self.schedule,
            random_state=self.seed,
        )

    def train(self, data: Data, epochs: int, after_epoch: Callable[[], bool]) -> None:
        self.model.set_params(max_iter=epochs, callbacks=[lambda trainer: after_epoch()])
        self.model.fit(*data)


class ScikitLearn(Peer):
    """scikit-learn, which trains in the data's type if that is float32, else in float64."""

    def __post_init__(self) -> None:
        from sklearn.neural_network import MLPClassifier, _multilayer_perceptron

        peer = self

        class Watched(MLPClassifier):
            def _update_no_improvement_count(self, *arguments: Any) -> None:
                self._no_improvement_count = np.inf if peer.after_epoch() else 0

        class Scheduled(_multilayer_perceptron.AdamOptimizer):
            # scikit-learn has no schedules for Adam; the benchmark adds the one of this package.
            def _get_updates(self, grads: list[np.ndarray]) -> list[np.ndarray]:
                self.learning_rate_init = peer.rates[self.t]
                return super()._get_updates(grads)

        if self.schedule:
            _multilayer_perceptron.AdamOptimizer = Scheduled
        self.model = Watched(
            tuple(self.sizes[1:-1]),
            solver="adam",
            alpha=0.0,
            batch_size=self.batch,
            learning_rate_init=self.rate,
            beta_2=self.beta2,
            random_state=self.seed,
        )

    def train(self, data: Data, epochs: int, after_epoch: Callable[[], bool]) -> None:
        x, y = data
        self.after_epoch = after_epoch
        self.rates = self.learning_rates(len(x), epochs).ravel().tolist()
        self.model.set_params(max_iter=epochs).fit(x.astype(self.dtype, copy=False), y)


class PyTorch(Peer):
    """PyTorch in eager mode, with its fused Adam; batches are cut from tensors."""

    def __post_init__(self) -> None:
        import torch

        # Subnormal numbers, below 1e-38, slow PyTorch down as they would slow this package down.
        torch.set_flush_denormal(True)
        torch.manual_seed(self.seed)
        nn, layers = torch.nn, [torch.nn.Unflatten(1, (1, 28, 28))] if self.filters else []
        for channels, filters in pairwise([1, *self.filters]):
            layers += [nn.Conv2d(channels, filters, 5), nn.MaxPool2d(2), nn.ReLU()]
        layers += [nn.Flatten()] if self.filters else []
        for inputs, outputs in pairwise(self.dense_sizes()):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.torch, self.model = torch, torch.nn.Sequential(*layers[:-1])

    def train(self, data: Data, epochs: int, after_epoch: Callable[[], bool]) -> None:
        torch, model = self.torch, self.model
        x, y = torch.from_numpy(data[0]), torch.from_numpy(data[1])
        optimizer = torch.optim.Adam(
            model.parameters(), lr=self.rate, betas=(0.9, self.beta2), fused=True
        )
        for rates in self.learning_rates(len(x), epochs).tolist():
            batches = torch.randperm(len(x)).split(self.batch)
            for rows, rate in zip(batches, rates, strict=True):
                optimizer.param_groups[0]["lr"] = rate
                optimizer.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
                optimizer.step()
            if after_epoch():
                return

    def predict(self, x: np.ndarray) -> np.ndarray:
        with self.torch.inference_mode():
            return self.model(self.torch.from_numpy(x)).argmax(dim=1).numpy()


class Jax(Peer):
    """JAX, with a whole epoch compiled into one program; compilation counts as wall time only."""

    def __post_init__(self) -> None:
        import jax
        import jax.numpy as jnp

        self.jax: Any = jax  # typed only where it is installed
        batch, beta2, rng = self.batch, self.beta2, np.random.default_rng(self.seed)
        shapes: list[Any] = [(5, 5, c, f) for c, f in pairwise([1, *self.filters])]
        shapes += pairwise(self.dense_sizes())
        self.parameters = [
            (
                rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype(np.float32),
                np.zeros(shape[-1], np.float32),
            )
            for shape in shapes
        ]
        images = bool(self.filters)

        def logits(parameters: Any, x: Any) -> Any:
            x = x.reshape(-1, 28, 28, 1) if images else x
            for W, b in parameters[:-1]:
                if W.ndim == 2:
                    x = jax.nn.relu(x.reshape(len(x), -1) @ W + b)
                    continue
                x = b + jax.lax.conv_general_dilated(
                    x, W, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                pool = (1, 2, 2, 1)
                x = jax.nn.relu(
                    jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, pool, pool, "VALID")
                )
            W, b = parameters[-1]
            return x @ W + b

        def loss(parameters: Any, x: Any, y: Any) -> Any:
            log_p = jax.nn.log_softmax(logits(parameters, x))
            return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

        def epoch(state: Any, x: Any, y: Any, order: Any, rates: Any) -> Any:
            def adam(state: Any, step: Any) -> Any:
                (p, m, v, t), (rows, a) = state, step
                g, t = jax.grad(loss)(p, x[rows], y[rows]), t + 1
                a = a * jnp.sqrt(1 - beta2**t) / (1 - 0.9**t)
                tree = jax.tree_util.tree_map
                m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, g)
                v = tree(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, g)
                p = tree(lambda p, m, v: p - a * m / (jnp.sqrt(v) + 1e-8), p, m, v)
                return (p, m, v, t), None

            full = len(x) // batch
            rows, rest = order[: full * batch], order[full * batch :]
            state, _ = jax.lax.scan(adam, state, (rows.reshape(full, batch), rates[:full]))
            return adam(state, (rest, rates[full]))[0] if len(rest) else state

        self.epoch = jax.jit(epoch, donate_argnums=0)
        self.labels = jax.jit(lambda parameters, x: logits(parameters, x).argmax(axis=1))

    def train(self, data: Data, epochs: int, after_epoch: Callable[[], bool]) -> None:
        x, y = self.jax.numpy.asarray(data[0]), self.jax.numpy.asarray(data[1])
        zeros = [(np.zeros_like(W), np.zeros_like(b)) for W, b in self.parameters]
        state = self.jax.tree_util.tree_map(
            self.jax.numpy.array, (self.parameters, zeros, zeros, np.float32(0))
        )
        rng = np.random.default_rng(self.seed)
        for rates in self.learning_rates(len(x), epochs).astype(np.float32):
            state = self.epoch(state, x, y, rng.permutation(len(x)), rates)
            self.parameters = self.jax.block_until_ready(state)[0]
            if after_epoch():
                return

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.labels(self.parameters, x))


class Products(Peer):
    """The matrix products of an epoch and nothing else: a lower bound for any NumPy network."""

    def __post_init__(self) -> None:
        rng, sizes = np.random.default_rng(self.seed), self.sizes
        self.W = [rng.normal(size=shape).astype(np.float32) for shape in pairwise(sizes)]
        self.dW = [np.empty_like(W) for W in self.W]
        self.y = [rng.normal(size=(self.batch, size)).astype(np.float32) for size in sizes]
        self.dy = [y.copy() for y in self.y]

    def train(self, data: Data, epochs: int, after_epoch: Callable[[], bool]) -> None:
        rows = len(data[0])
        for _ in range(epochs):
            for start in range(0, rows, self.batch):
                n = min(self.batch, rows - start)
                for i, W in enumerate(self.W):
                    np.matmul(self.y[i][:n], W, out=self.y[i + 1][:n])
                for i in reversed(range(len(self.W))):
                    np.matmul(self.y[i][:n].T, self.dy[i + 1][:n], out=self.dW[i])
                    if i > 0:
                        np.matmul(self.dy[i + 1][:n], self.W[i].T, out=self.dy[i][:n])
            if after_epoch():
                return


PEERS: dict[str, Callable[..., Peer]] = {
    "numpymlp": NumpyMLP,
    "numpymlp64": partial(NumpyMLP, dtype="float64"),
    "workers": TwoWorkers,
    "face": NumpyMLPEstimator,
    "sklearn": partial(ScikitLearn, dtype="float64"),
    "sklearn32": ScikitLearn,
    "torch": PyTorch,
    "jax": Jax,
    "products": Products,
}
