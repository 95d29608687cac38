"""The `softxent` command: one file a command, found in COMMANDS below.

Exit codes, the same for every command: 0 fine, 1 findings (the command ran and something fell
short; it says what), 2 usage or tool error.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

from softxent.cli._extras import MissingExtra

FINE, ERROR = 0, 2  # and 1: findings
INTERRUPTED = 128 + 2  # what a shell reports for a process ended by Ctrl-C


class Command(NamedTuple):
    """A command's name, its one line in `softxent --help`, and its module.

    The module is imported only for the command that is asked for. It has `DESCRIPTION` (text),
    `add_arguments(parser)` and `run(args) -> exit code`.
    """

    name: str
    summary: str
    module: str


COMMANDS = (
    Command("demo", "check the gradient, learn digits with it, write a report", "demo"),
    Command("check", "every step of a derivation: true, or false and why", "check"),
    Command("derive", "a derivation, each step with its rule and why", "derive"),
    Command("fit", "train a classifier on a table, score it on rows held out", "fit"),
    Command("predict", "labels or probabilities for the rows of a table", "predict"),
    Command("evaluate", "accuracy, loss and confusion of a model on a table", "evaluate"),
    Command("accuracy", "how exact every result is, in ULP, beside the peers'", "accuracy"),
    Command("bench", "softxent beside SciPy, scikit-learn, PyTorch and JAX, timed", "bench"),
    Command("doctor", "what runs on this machine, and why not the rest", "doctor"),
)

DESCRIPTION = """\
Softmax cross-entropy and its derivatives: dC/dz = y - t, accurate and fast."""

EPILOG = """\
exit codes
  0  fine
  1  findings: the command ran, and something fell short; it says what
  2  usage or tool error

`softxent COMMAND --help` has the details of a command. Every command takes
--json. NO_COLOR=1 switches colour off; off a terminal there is none anyway."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()  # a reader that has gone away shows here, not at interpreter exit
    except MissingExtra as missing:
        print(missing, file=sys.stderr)
        return ERROR
    except BrokenPipeError:  # `softxent demo | head`: nobody reads on, which is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except KeyboardInterrupt:
        print("softxent: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        # Python would leave with 1 here, and 1 means findings.
        traceback.print_exc()
        print(f"softxent: error: {type(error).__name__}: {error}", file=sys.stderr)
        return ERROR
    return code


def _dispatch(arguments: list[str]) -> int:
    parser, commands = _parser()
    # Only the command asked for is imported, so `softxent --help` stays quick.
    asked = next((c for c in COMMANDS if arguments[:1] == [c.name]), None)
    module: Any = None
    if asked is not None:
        module = importlib.import_module(f"softxent.cli.{asked.module}")
        commands[asked.name].description = module.DESCRIPTION
        module.add_arguments(commands[asked.name])
    try:
        args = parser.parse_args(arguments)
    except SystemExit as stop:  # argparse's way to leave: 0 after --help, 2 for bad usage
        return stop.code if isinstance(stop.code, int) else ERROR
    if module is None:
        parser.print_help(sys.stderr)
        return ERROR
    return int(module.run(args))


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    layout: Any = {"formatter_class": _formatter}
    parser = argparse.ArgumentParser(
        prog="softxent", description=DESCRIPTION, epilog=EPILOG, **layout
    )
    parser.add_argument("--version", action=_Version)
    rows = parser.add_subparsers(title="commands", metavar="COMMAND")
    return parser, {c.name: rows.add_parser(c.name, help=c.summary, **layout) for c in COMMANDS}


def _formatter(prog: str) -> argparse.HelpFormatter:
    # Texts are laid out by hand for 80 columns, whatever COLUMNS says.
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=18, width=79)


class _Version(argparse.Action):
    """`--version`, looked up only when asked."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and leave")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import softxent

        print(f"softxent {softxent.__version__}")
        parser.exit()
