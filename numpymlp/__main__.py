"""The command line: `numpymlp train`, `evaluate`, `predict`, and the other modules of `commands`.

Each module has two functions: `options` adds the options of the command to a parser, `run` carries
the command out. The first line of the module's docstring is the help text. A wrong option or file
is reported in one line on standard error, with exit status 2.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence

import numpy as np

from numpymlp import __version__
from numpymlp.commands import benchmark, check, evaluate, ladder, predict, recipes, search, train
from numpymlp.commands.options import Parser
from numpymlp.storage.files import StorageError, shown
from numpymlp.training.divergence import TrainingDiverged
from numpymlp.validation import InputError

COMMANDS = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "check": check,
    "recipes": recipes,
    "ladder": ladder,
    "search": search,
    "benchmark": benchmark,
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(prog="numpymlp", description="A multi-layer perceptron in pure NumPy.")
    parser.add_argument("--version", action="version", version=f"numpymlp {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        text = (module.__doc__ or "").splitlines()[0]
        module.options(command := commands.add_parser(name, help=text, description=text))
        command.set_defaults(function=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments after ``numpymlp``; those of this process if None.

    Returns
    -------
    int
        0 for success; 1 if training diverged; 2 for a wrong option or file, and for errors of the
        system, such as a full disk; 128 plus the number of a signal: 130 for Ctrl-C, 143 for
        SIGTERM, 141 if the reader of the output closed the pipe. `check` and `benchmark` raise
        ``SystemExit(1)`` if the results they compare differ.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller, as in `numpymlp recipes >&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for the whole process
    options = build_parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for characters that the terminal lacks
    try:
        # Numbers that are too large end in an explained error; NumPy's warnings would add nothing.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            options.function(options)
        sys.stdout.flush()
    except (InputError, StorageError, TrainingDiverged) as error:
        _report(str(error))
        return 1 if isinstance(error, TrainingDiverged) else 2
    except (OSError, MemoryError) as error:
        if isinstance(error, OSError) and _pipe_closed(error):
            # Python would report it at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + 13
        what = "not enough memory" if isinstance(error, MemoryError) else "the system refused"
        _report(f"{what}: {error}")
        return 2
    except KeyboardInterrupt as error:
        _report(str(error) or "interrupted")
        return 128 + int(getattr(error, "number", signal.SIGINT))
    return 0


def _report(message: str) -> None:
    """Print an error; no name in it, from whatever file, reaches the terminal raw or fills it."""
    lines = (shown(line, longest=1000) for line in message.split("\n"))
    print("numpymlp: " + "\n".join(lines), file=sys.stderr)


def _pipe_closed(error: OSError) -> bool:
    """Return whether the reader of the output, such as `head`, has closed the pipe."""
    windows = sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None
    return windows or isinstance(error, BrokenPipeError)


if __name__ == "__main__":
    sys.exit(main())
