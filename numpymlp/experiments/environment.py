"""The record of everything besides code, data and seed that can change the bits of a result.

With the same seed, data and settings, a training run gives the same bits on the same machine with
the same number of threads and the same versions. These can change them, in the last digits first:

- the BLAS library, its version, and the processor: BLAS picks its routines, and with them the
  order of additions, by processor. They also decide the speed. The variable ``OPENBLAS_CORETYPE``
  makes OpenBLAS use the routines of another processor;
- the number of BLAS threads, which divide a matrix product among them. A command chooses it by the
  size of the network (`threads.py`), ``--threads`` or ``OPENBLAS_NUM_THREADS`` decide otherwise;
- the version of NumPy: its sums, exponentials and random streams may change between releases.

`runs.py` writes this record into `metrics.json`, so that two results that differ can be compared.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from numpymlp import __version__

CPUINFO = Path("/proc/cpuinfo")
# In the order in which the common BLAS libraries read them.
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def environment() -> dict[str, Any]:
    """Return versions, processor, BLAS and threads, as values for JSON."""
    built = np.show_config(mode="dicts")
    assert built is not None  # the mode that prints returns None
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return {
        "numpymlp": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": processor(),
        "simd": list(built.get("SIMD Extensions", {}).get("found", [])),
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')} {_routines()}".strip(),
        "threads": blas_threads(),
    }


def processor() -> str:
    """Return the name of the processor."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _routines() -> str:
    """Return the processor whose routines BLAS uses, such as "(SkylakeX)"; "" if unknown."""
    names = sorted({pool["architecture"] for pool in _pools() if "architecture" in pool})
    return f"({', '.join(names)})" if names else ""


def _pools() -> list[dict[str, Any]]:
    """Return what threadpoolctl says about every BLAS in this process that it knows."""
    from threadpoolctl import threadpool_info

    return [pool for pool in threadpool_info() if pool["user_api"] == "blas"]


def blas_threads() -> int:
    """Return the number of threads that BLAS uses.

    It comes from threadpoolctl, which asks the library. Of a library that threadpoolctl does not
    know, it comes from the variable that the library reads, else from the number of cores.
    """
    if found := [pool["num_threads"] for pool in _pools()]:
        return int(max(found))
    name = threads_variable()
    return int(os.environ[name]) if name else cores()


def threads_variable() -> str | None:
    """Return the name of the environment variable that sets the number of BLAS threads, or None."""
    values = {name: os.environ.get(name, "") for name in THREAD_VARIABLES}
    return next((n for n, text in values.items() if text.isdecimal() and int(text) > 0), None)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
