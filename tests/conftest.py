"""Shared by all tests: Hypothesis profiles, one BLAS thread, no window of matplotlib."""

import os
import signal

os.environ["MPLBACKEND"] = "Agg"
# Started in the background, Python ignores Ctrl-C, and its children too: tests of it need it back.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Tests run in several processes at once: one BLAS thread each, or they would fight for the cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import settings

settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, print_blob=True)
# For mutation testing, where the whole suite runs once for every mutant.
settings.register_profile("mutation", deadline=None, max_examples=5, derandomize=True)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """List every slope that the gradient check judges from now on."""
    from numpymlp import gradient_report

    calls, judge = [], gradient_report.judge

    def noting(f, where, direction, floor, limit, scale=1.0):
        calls.append({"f": f, "point": f.point.copy(), "where": where, "direction": direction})
        calls[-1].update(floor=floor, scale=scale)
        return judge(f, where, direction, floor, limit, scale)

    monkeypatch.setattr(gradient_report, "judge", noting)
    return calls
