"""`MLPClassifier` and `MLPRegressor` for scikit-learn users, on this package's network and Trainer.

Every parameter, method and fitted attribute of scikit-learn 1.9's estimators of these names is
here under the same name, and the same `random_state` gives the same weights to rounding error,
epoch by epoch, but for what the table says.
Both also have what they lack there: `class_weight`, `dropout`, `batch_norm`, an activation for each
layer, learning rate schedules, a validation set of one's own, callbacks. Read `base.py` for how a
call becomes a training, `solvers.py` for what the Trainer is given;
`tutorials/10_against_scikit_learn.py` follows both libraries step by step.

Where scikit-learn's estimators contradict their own documentation, these do what is documented:

=================================  ============================  ================================
what                               scikit-learn 1.9              here, as documented
=================================  ============================  ================================
``n_iter_no_change=n``             stops after n + 1 epochs      stops after n epochs
                                   without progress
``learning_rate="adaptive"``       divides the learning rate     divides it after two
                                   after n_iter_no_change + 1    consecutive epochs without
                                   epochs without progress       progress
``learning_rate="invscaling"``     t counts samples, and moves   t is the time step: 1 at the
                                   once an epoch                 first update, 2 at the second
``partial_fit``, an integer        each call draws the same      each call goes on in the random
``random_state``                   order again                   stream of the call before
``partial_fit`` where              every ``y`` must hold all     ``y`` need not hold them all
``warm_start=True``                classes
``warm_start=True``                forgets the optimizer's       goes on with them
                                   moments and step
``partial_fit`` after              the learning rate of the      what is set counts from the next
``set_params``                     first call stays              call on; other betas begin anew
``early_stopping=True``            stratifies the split for two  stratifies it for any number of
                                   classes only                  classes that are large enough,
                                                                 not for multilabel
``warm_start=True`` with           best weights and scores of    the best of this call counts
``early_stopping=True``            earlier calls count on
``squared_error``, K outputs       follows K times the gradient  ``loss_`` is half the squared
                                   of ``loss_``                  distance, and its gradient is
                                                                 followed; the weights are alike
``predict_log_proba``              -inf where a probability      finite, from the logits
                                   underflows
``loss_`` of a sure wrong answer   clipped, at 16 in float32     as large as it is
``sample_weight`` below 0          accepted                      an error
``loss="poisson"``, ``y < 0``      accepted                      an error
another ``loss`` in a warm start   is ignored                    an error
float64 rows, float32 network      float64 answers               float32 answers
``MLPRegressor.partial_fit`` with  there                         not there
``solver="lbfgs"``
=================================  ============================  ================================

With ``solver="lbfgs"`` the search runs in float64, and the result is cast to the data's dtype.
Sparse rows are made dense batch by batch: with very many columns that takes more time and memory
than scikit-learn's sparse products.
"""

try:
    import sklearn as _sklearn  # noqa: F401 - to say which extra is missing before others fail
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    raise ModuleNotFoundError(
        "numpymlp.sklearn needs scikit-learn: in its clone, pip install -e '.[sklearn]'",
        name="sklearn",
    ) from error

from numpymlp.sklearn.estimators import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
