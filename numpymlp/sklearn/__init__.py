"""`MLPClassifier` and `MLPRegressor` for scikit-learn users, based on this package's Trainer.

Both have every parameter, method and fitted attribute of scikit-learn 1.9's estimators of the same
names; they run with scikit-learn 1.7 and later. The same `random_state` gives the same weights up
to rounding, epoch by epoch, except for the differences in the tables below. Additional parameters
are `class_weight`, `dropout`, `batch_norm`, an activation for each layer, learning rate schedules,
a custom validation set and callbacks. Read `base.py` next; `tutorials/11_against_scikit_learn.py`
follows both libraries step by step.

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
``partial_fit`` or a warm start,   each call draws the same      each call continues the random
an integer ``random_state``        orders again                  stream of the previous call, as
                                                                 with a RandomState instance
``partial_fit`` with               every ``y`` must contain all  ``y`` may lack some of them
``warm_start=True``                classes
``warm_start=True``                discards the optimizer's      continues with them
                                   moments and step
``warm_start=True``                compares with the best        compares within this call only:
                                   losses, scores and weights    those may be of other data
                                   of earlier calls
``partial_fit`` after              keeps the learning rate of    new values count from the next
``set_params``                     the first call                call; new betas reset Adam
``early_stopping=True``            stratifies the split for two  stratifies it for any number of
                                   classes only                  classes that are large enough,
                                                                 not for multilabel
``squared_error``, K outputs       ``loss_`` is 1 / K of the     ``loss_`` is half the squared
                                   documented loss, whose        distance, as documented; steps
                                   gradient is followed          are equal, but ``tol`` sees K
                                                                 times the loss and ``n_iter_``
                                                                 may be larger
=================================  ============================  ================================

Where numbers are out of range, an error or the exact value replaces a silent wrong result:

=================================  ============================  ================================
what                               scikit-learn 1.9              here
=================================  ============================  ================================
a run that diverges with           continues with NaN to         ends at once with a warning and
``early_stopping=True``            ``max_iter``; the best        the same weights; an error if
                                   weights are kept              no epoch was finished
a call that fails                  leaves changed weights        changes nothing
``predict_log_proba``              -inf where a probability      finite, computed from the logits
                                   underflows
``loss_`` of a confident wrong     clipped, at 16 in float32     not clipped; with "lbfgs" the
answer                             and 36 in float64             search may go another way, for
                                                                 its gradient is that of the loss
a batch whose weights are all 0    ZeroDivisionError             loss and gradient are 0
``sample_weight`` below 0          accepted                      an error
``epsilon`` below 1e-30            accepted                      an error: in float32 its effect
                                                                 is lost
``loss="poisson"``, ``y < 0``      accepted                      an error
strings as ``y`` of a regressor    an error of NumPy             an error that names the fix
another ``hidden_layer_sizes``,    ignored, mixed with the old   an error: the weights of one
``activation`` or ``loss`` in a    weights, or an error from     network do not suit another
warm start                         inside
``coefs_ = ...`` before ``fit``    accepted and not used         an error: no network exists yet
float64 rows, float32 network      float64 predictions           float32 predictions
``MLPRegressor.partial_fit`` with  exists                        does not exist
``solver="lbfgs"``
=================================  ============================  ================================

With ``solver="lbfgs"`` the search runs in float64, and the result is cast to the dtype of the data.
Sparse rows are made dense batch by batch: with very many columns this takes more time and memory
than scikit-learn's sparse products.
"""

from numpymlp.storage.files import pip_install as _pip_install

try:
    import sklearn as _sklearn  # names the missing extra before other imports fail
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    raise ModuleNotFoundError(
        f"numpymlp.sklearn expected scikit-learn, which is not installed: "
        f"{_pip_install('scikit-learn')}",
        name="sklearn",
    ) from error

if tuple(map(int, _sklearn.__version__.split(".")[:2])) < (1, 7):
    raise ImportError(
        f"numpymlp.sklearn expected scikit-learn 1.7 or later, got {_sklearn.__version__}: "
        f"{_pip_install('--upgrade scikit-learn')}",
        name="sklearn",
    )

from numpymlp.sklearn.classifier import MLPClassifier
from numpymlp.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
