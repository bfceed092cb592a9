"""`numpymlp benchmark`: prove that the work is equal, then compare the speed.

`equality.py` proves that this package and scikit-learn compute the same numbers; `peers.py` writes
the same training for every library; `worker.py` takes one measurement in a process of its own;
`command.py` orders them, and `report.py` makes the tables and the figure. Nothing is imported here,
for a worker must not bring in more than the library it measures.
"""
