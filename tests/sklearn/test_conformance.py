"""scikit-learn's own estimator checks: all of them, at default parameters, none left out."""

import pytest
from sklearn import neural_network
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from numpymlp.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_scikit_learns_checks(estimator, check) -> None:
    check(estimator)


def outcomes(estimator) -> dict[str, str]:
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    return {result["check_name"]: result["status"] for result in results}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_no_check_is_skipped_but_those_that_are_for_scikit_learns_own(name) -> None:
    mine = outcomes({"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name]())
    peer = outcomes(getattr(neural_network, name)())
    assert set(mine) >= set(peer)  # ours has class weights to be checked too
    assert {check for check, status in mine.items() if status == "skipped"} == {
        check for check, status in peer.items() if status == "skipped"
    }
    assert set(mine.values()) <= {"passed", "skipped"}
