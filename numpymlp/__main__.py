"""The command line: `numpymlp train`, `evaluate`, `predict`, and the other modules of `commands`.

Each module has two functions: `options` adds the options of the command to a parser, `run` carries
the command out. The first line of the module's docstring is the help text. A wrong option or file
is reported in one line on standard error, with exit status 2.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence

from numpymlp import __version__
from numpymlp.commands import benchmark, check, evaluate, ladder, predict, recipes, search, train
from numpymlp.commands.options import Parser
from numpymlp.storage.files import StorageError
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
    options = build_parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for characters that the terminal lacks
    try:
        options.function(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe. Python would report that at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except (InputError, StorageError, TrainingDiverged) as error:
        print(f"numpymlp: {error}", file=sys.stderr)
        return 1 if isinstance(error, TrainingDiverged) else 2
    except (OSError, MemoryError) as error:
        what = "not enough memory" if isinstance(error, MemoryError) else "the system refused"
        print(f"numpymlp: {what}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(f"numpymlp: {str(error) or 'interrupted'}", file=sys.stderr)
        return 128 + int(getattr(error, "number", signal.SIGINT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
