"""`MLPClassifier` and `MLPRegressor` for scikit-learn users, based on this package's Trainer.

Both have every parameter, method and fitted attribute of scikit-learn 1.9's estimators of the same
names. The same `random_state` gives the same weights up to rounding, epoch by epoch, except for the
differences in the table below. Additional parameters are `class_weight`, `dropout`, `batch_norm`,
an activation for each layer, learning rate schedules, a custom validation set and callbacks. Read
`base.py` next; `tutorials/10_against_scikit_learn.py` follows both libraries step by step.

Where scikit-learn's estimators contradict their documentation, these follow the documentation:

=================================  ============================  ================================
what                               scikit-learn 1.9              here, as documented
=================================  ============================  ================================
``n_iter_no_change=n``             stops after n + 1 epochs      stops after n epochs
                                   without progress
``learning_rate="adaptive"``       divides the learning rate     divides it after two
                                   after n_iter_no_change + 1    consecutive epochs without
                                   epochs without progress       progress
``learning_rate="invscaling"``     t counts samples and          t is the time step: 1 at the
                                   changes once an epoch         first update, 2 at the second
``partial_fit``, an integer        each call draws the same      each call continues the random
``random_state``                   order again                   stream of the previous call
``partial_fit`` with               every ``y`` must contain all  ``y`` may lack some of them
``warm_start=True``                classes
``warm_start=True``                discards the optimizer's      continues with them
                                   moments and step
``partial_fit`` after              keeps the learning rate of    new values count from the next
``set_params``                     the first call                call; new betas reset Adam
``early_stopping=True``            stratifies the split for two  stratifies it for any number of
                                   classes only                  classes that are large enough,
                                                                 not for multilabel
``warm_start=True`` with           compares with best weights    compares within this call only
``early_stopping=True``            and scores of earlier calls
``squared_error``, K outputs       follows K times the gradient  ``loss_`` is half the squared
                                   of ``loss_``                  distance, and its gradient is
                                                                 followed; the weights are equal
``predict_log_proba``              -inf where a probability      finite, computed from the logits
                                   underflows
``loss_`` of a confident wrong     clipped, at 16 in float32     not clipped
answer
``sample_weight`` below 0          accepted                      an error
``loss="poisson"``, ``y < 0``      accepted                      an error
another ``loss`` in a warm start   ignored                       an error
float64 rows, float32 network      float64 predictions           float32 predictions
``MLPRegressor.partial_fit`` with  exists                        does not exist
``solver="lbfgs"``
=================================  ============================  ================================

With ``solver="lbfgs"`` the search runs in float64, and the result is cast to the dtype of the data.
Sparse rows are made dense batch by batch: with very many columns this takes more time and memory
than scikit-learn's sparse products.
"""

try:
    import sklearn as _sklearn  # noqa: F401 - names the missing extra before other imports fail
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    raise ModuleNotFoundError(
        "numpymlp.sklearn needs scikit-learn, which is not installed: in the clone of "
        "numpymlp, run pip install -e '.[sklearn]'",
        name="sklearn",
    ) from error

from numpymlp.sklearn.classifier import MLPClassifier
from numpymlp.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
