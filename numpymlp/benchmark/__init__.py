"""`numpymlp benchmark`: prove that both libraries do equal work, then compare their speed.

`equality.py` proves that this package and scikit-learn compute the same numbers; `peers.py`
implements the same training run with every library; `worker.py` takes one measurement in a new
process; `machine.py` tells how busy the machine is; `command.py` runs all measurements, and
`report.py` writes the tables and the figure. Nothing is imported here, because a worker must only
load the library that it measures.
"""
