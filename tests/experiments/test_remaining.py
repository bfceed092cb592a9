"""The time left of a series is in proportion to the work that is left."""

from numpymlp.experiments.remaining import Remaining, clock


def test_the_time_left_is_in_proportion_to_the_work_left():
    now = [100.0]
    remaining = Remaining(27, clock=lambda: now[0])
    assert str(remaining) == "0 %, time left not known yet"
    remaining.add(9)
    now[0] += 50
    assert str(remaining) == "33 %, 1:40 left"
    remaining.add(18)
    assert str(remaining) == "100 %, 0:00 left"


def test_before_anything_is_done_a_guess_is_shown():
    assert str(Remaining(3, guess=7205)) == "0 %, 2:00:05 left"


def test_durations_are_rounded_to_seconds():
    assert [clock(s) for s in (0.2, 59.6, 3599.6)] == ["0:00", "1:00", "1:00:00"]
