from messages import one_clear_error

from numpymlp import plots


def test_rows_without_a_setting_are_refused():
    row = {"epochs": 1, "round": 1, "validation_accuracy": 0.9}
    one_clear_error(lambda: plots.search_results([row]), "at least one setting")
