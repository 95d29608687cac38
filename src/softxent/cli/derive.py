"""`softxent derive`: writes a derivation, each step with its rule and its reason."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from softxent.cli import _files

RESULTS = {
    "jacobian": "of the softmax: dy_k/dz_i",
    "gradient": "of the loss by the logits; with --linear by W, x and b, too",
    "target-gradient": "of the loss by the target: dC/dt_k",
    "hessian": "of the loss by the logits",
    "hvp": "the Hessian times a vector",
    "tour": "all of these, by both roads, as one text (no options)",
}
SWITCHES = {
    "temperature": "the logits are divided by T",
    "softcap": "the logits become c tanh(z / c)",
    "label-smoothing": "the target is mixed with the uniform one",
    "weight": "class weights w_k",
    "z-loss": "lambda lse^2 is added",
    "linear": "the logits are x W^T + b (needs --reduction mean or sum)",
}
FORMATS = ("markdown", "latex", "json")

DESCRIPTION = """\
Writes a derivation step by step. It is found, not copied: it starts from the
formulas of the package, applies one rule at a time, and says for every step
which rule that was and why. `softxent check` decides every step of it.

results
""" + "\n".join(f"  {name:<16} {what}" for name, what in RESULTS.items())

EPILOG = """\
examples
  softxent derive gradient                         by cases, any target
  softxent derive gradient --road log-sum-exp      by the other road
  softxent derive gradient --target probability --reduction mean --linear
  softxent derive hvp --temperature --z-loss --format latex -o hvp.tex
  softxent derive gradient | softxent check --strict -

exit codes
  0  written
  2  usage: options that do not go together, a file that cannot be written"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `softxent derive`."""
    parser.epilog = EPILOG
    parser.add_argument("result", choices=RESULTS, metavar="RESULT", help="see above")
    parser.add_argument(
        "--road",
        choices=("cases", "log-sum-exp"),
        help="cases: k = i and k != i, then the chain rule (default); log-sum-exp:"
        " the loss without the softmax, differentiated directly",
    )
    parser.add_argument(
        "--target",
        choices=("soft", "probability", "index"),
        help="any numbers (default), numbers that sum to one, or a class index",
    )
    for name, what in SWITCHES.items():
        parser.add_argument(f"--{name}", action="store_true", default=None, help=what)
    parser.add_argument(
        "--reduction", choices=("none", "mean", "sum"), help="of the rows' losses (default: none)"
    )
    parser.add_argument("--format", choices=FORMATS, help="default: markdown")
    parser.add_argument("--json", action="store_true", help="short for --format json")
    parser.add_argument("--fragment", action="store_true", help="LaTeX without its preamble")
    parser.add_argument(
        "--questions", action="store_true", help="answer what learners ask where it arises"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it here")


def run(args: argparse.Namespace) -> int:
    """Write the derivation; see EPILOG for what is returned."""
    from softxent.derive.write import derive

    form = args.format or ("json" if args.json else "markdown")
    if args.json and form != "json":
        return _cannot(f"--json and --format {args.format} contradict each other")
    if args.fragment and form != "latex":
        return _cannot("--fragment goes with --format latex only")
    if args.output and (why := _files.why_not_writable(args.output)):
        return _cannot(f"--output: {why}")
    names = ("road", "target", "reduction", *(one.replace("-", "_") for one in SWITCHES))
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    try:
        derivation = derive(args.result, **given)
    except ValueError as conflict:
        return _cannot(str(conflict))
    if form == "json":
        text = json.dumps(derivation.json(), indent=2, ensure_ascii=False) + "\n"
    elif form == "latex":
        text = derivation.latex(args.questions, args.fragment)
    else:
        text = derivation.markdown(args.questions)
    if args.output:
        _files.write(args.output, text)
    else:
        sys.stdout.write(text)
    return 0


def _cannot(reason: str) -> int:
    print(f"softxent derive: {reason}", file=sys.stderr)
    return 2
