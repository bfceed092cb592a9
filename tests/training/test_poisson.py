from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from numpymlp import Adam, InputError, PoissonDeviance, Trainer, check_loss, mlp, save

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(2, (6, 2))


@pytest.mark.parametrize("weight", [None, RNG.uniform(size=6)])
def test_its_gradient_is_proven(weight) -> None:
    assert (COUNTS == 0).any()
    assert check_loss(PoissonDeviance(), RNG.normal(size=(6, 2)), COUNTS, weight).passed


def test_it_is_0_where_the_predicted_mean_is_the_count_and_its_formula_elsewhere() -> None:
    counts = np.array([[1.0], [4.0]])
    assert PoissonDeviance().forward(np.log(counts), counts) == 0
    # half the deviance: 2 log(2 / 1) - (2 - 1), and for no count the mean itself
    value = PoissonDeviance().forward(np.zeros((2, 1)), np.array([2, 0]))
    assert value == pytest.approx((2 * np.log(2) - 1 + 1) / 2)


@pytest.mark.parametrize("wrong", [-1.0, np.nan])
def test_targets_below_0_are_refused(wrong) -> None:
    with pytest.raises(InputError, match=r"expected targets of at least 0, got (-1|nan)"):
        PoissonDeviance().forward(np.zeros((2, 1)), np.array([1.0, wrong]))


def test_a_model_for_counts_is_loaded_without_scikit_learn(tmp_path) -> None:
    x = RNG.normal(size=(200, 2))
    y = RNG.poisson(np.exp(x[:, 0]))
    network = mlp([2, 8, 1], output="identity", rng=np.random.default_rng(0))
    Trainer(network, PoissonDeviance(), Adam(0.01), batch_size=20, verbose=0).fit(x, y, 30)
    assert np.corrcoef(network.predict(x), x[:, 0])[0, 1] > 0.9  # the logarithm of the mean
    save(network, tmp_path / "counts.npz", PoissonDeviance())
    code = (
        "import sys; sys.modules['sklearn'] = None; import numpymlp\n"
        f"path = {str(tmp_path / 'counts.npz')!r}\n"
        "print(numpymlp.load(path), numpymlp.load_loss(path))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.endswith("33 parameters, float32) PoissonDeviance()\n"), done.stderr
