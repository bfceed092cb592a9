"""RMSprop: worked by hand, against PyTorch, in training, and its state."""

import numpy as np
import pytest

from numpymlp import InputError, RMSprop, SoftmaxCrossEntropy, Trainer, mlp
from numpymlp.optimizers import BLOCK


def test_two_steps_by_hand():
    # v = 0.1 * 2^2 = 0.4, p = 1 - 0.1 * 2 / (sqrt(0.4) + 0.5)
    # v = 0.9 * 0.4 + 0.1 * 3^2 = 1.26, p += 0.1 * 3 / (sqrt(1.26) + 0.5)
    optimizer, p = RMSprop(0.1, rho=0.9, epsilon=0.5), np.array([1.0])
    optimizer.step(p, np.array([2.0]))
    first = 1 - 0.2 / (np.sqrt(0.4) + 0.5)
    assert p[0] == pytest.approx(first, rel=1e-14)
    optimizer.step(p, np.array([-3.0]), 0.5)
    assert p[0] == pytest.approx(first + 0.15 / (np.sqrt(1.26) + 0.5), rel=1e-14)


@pytest.mark.parametrize("settings", [{}, {"rho": 0.9, "epsilon": 1e-3}])
def test_sixty_steps_equal_those_of_pytorch(settings):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=50), rng.normal(size=(60, 50))
    p, theirs = start.copy(), torch.tensor(start, requires_grad=True)
    ours = RMSprop(0.01, **settings)
    oracle = torch.optim.RMSprop(
        [theirs], lr=0.01, alpha=settings.get("rho", 0.99), eps=settings.get("epsilon", 1e-8)
    )
    for g in gradients:
        ours.step(p, g)
        theirs.grad = torch.tensor(g)
        oracle.step()
    np.testing.assert_allclose(p, theirs.detach().numpy(), rtol=0, atol=1e-13)


def keras(p, gradients, a, rho=0.9, epsilon=1e-7):
    """RMSprop as in keras/src/optimizers/rmsprop.py: epsilon is inside the root."""
    velocity = np.zeros_like(p)
    for g in gradients:
        velocity = rho * velocity + (1 - rho) * g**2
        p = p - a * g / np.sqrt(velocity + epsilon)
    return p


def test_keras_takes_the_same_steps_where_gradients_are_not_tiny_and_shorter_ones_where_they_are():
    # The example in the documentation of Keras: 10 becomes 9.683772.
    p = np.array([10.0])
    RMSprop(0.1, rho=0.9).step(p, np.array([10.0]))
    assert p[0] == pytest.approx(9.683772, abs=1e-6)
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=50), rng.choice([-1, 1], (60, 50))
    gradients = gradients * rng.uniform(0.5, 2, (60, 50))
    for scale, ratio in ((1, 1.0), (1e-6, 3e-3)):
        p, ours = start.copy(), RMSprop(0.01, rho=0.9)
        for g in scale * gradients:
            ours.step(p, g)
        theirs = keras(start, scale * gradients, 0.01)
        moved = np.linalg.norm(theirs - start) / np.linalg.norm(p - start)
        assert moved == pytest.approx(ratio, rel=0.2)
        if scale == 1:
            np.testing.assert_allclose(theirs, p, atol=1e-5)


def test_a_vector_of_many_blocks_moves_like_its_parts():
    rng = np.random.default_rng(0)
    whole, gradients = rng.normal(size=BLOCK + 3), rng.normal(size=BLOCK + 3)
    part = whole[-3:].copy()
    RMSprop().step(whole, gradients)
    RMSprop().step(part, gradients[-3:].copy())
    np.testing.assert_array_equal(whole[-3:], part)


def test_it_trains_and_continues_from_its_state():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)), np.arange(60) % 2
    x[y == 1] += 2

    def begin():
        network = mlp([4, 8, 2], rng=np.random.default_rng(0))
        return Trainer(network, SoftmaxCrossEntropy(), RMSprop(0.01), batch_size=10, verbose=0)

    whole, halves = begin(), begin()
    whole.fit(x, y, 4)
    halves.fit(x, y, 2)
    state = halves.optimizer.state()
    assert set(state) == {"v", "t"}
    halves.optimizer.restore(state)
    halves.fit(x, y, 2)
    np.testing.assert_array_equal(whole.network.parameters, halves.network.parameters)
    assert whole.evaluate(x, y).accuracy > 0.9


def test_a_parameter_without_gradient_stays_and_its_trace_fades_to_0():
    optimizer, p = RMSprop(rho=0.5), np.array([1.0, 1.0], np.float32)
    optimizer.step(p, np.array([1e-10, 0], np.float32))
    assert p[1] == 1
    for _ in range(199):
        optimizer.step(p, np.zeros(2, np.float32))
    assert not optimizer.v.any()


@pytest.mark.parametrize("settings", [{"rho": 1.0}, {"epsilon": 0.0}, {"learning_rate": 0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(InputError, match="RMSprop"):
        RMSprop(**settings)
