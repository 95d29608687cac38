"""`softxent check`: every step of the derivations in some files, true or false, and why."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from softxent.cli import _files
from softxent.cli._check_files import Source, find
from softxent.cli._check_pool import Options, check_all
from softxent.cli._extras import require
from softxent.cli._terminal import WIDTH, Terminal, is_terminal, wrap

if TYPE_CHECKING:
    from softxent.derive.report import Choice
    from softxent.derive.verdicts import Report

EXTRA = "derive"
NEEDS = {"tqdm": "tqdm"}
FORMATS = ("text", "json", "sarif", "github", "html")
DIALECTS = ("markdown", "latex", "html", "notebook", "python", "text")
WORKERS = 2

DESCRIPTION = """\
Reads derivations, in Markdown, LaTeX, HTML, notebooks, Python docstrings or
plain text, and decides every equality in them, most of them exactly: softmax,
cross-entropy, sigmoid, sums, deltas, partial derivatives, cases. A false step
comes with a point at which its two sides differ, in fractions that can be
redone on paper, and with the single edit that makes it true if there is one.

TRUE means: equal at every point that was tried. What cannot be read is
UNSUPPORTED or OPAQUE, counted and never passed over: "checked n of m"."""

EPILOG = """\
examples
  softxent check post.md                  one file
  softxent check docs 'notes/**/*.tex'    folders, patterns
  curl -s URL | softxent check -          standard input
  softxent check --explain step-false     what a rule means

exit codes
  0  every step that was checked holds
  1  findings: a false or ill-typed step, an unbound letter, a false reason;
     with --strict also assumptions that are declared nowhere and ambiguities
  2  nothing could be checked, a file was not read to its end, or usage

Text of others is read, never run. Authors can tell what cannot be seen with a
comment: <!-- softxent: y is target -->"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `softxent check`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="a file, a folder, a pattern, or - for stdin"
    )
    parser.add_argument("--format", choices=FORMATS, help="of the report (default: text)")
    parser.add_argument("--json", action="store_true", help="short for --format json")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the report here")
    parser.add_argument(
        "--all", action="store_true", dest="everything", help="text: list what holds, too"
    )
    parser.add_argument(
        "--strict", action="store_true", help="undeclared assumptions and ambiguities count"
    )
    for name, what in (("select", "only what these rules find"), ("ignore", "not what these find")):
        parser.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="CODES",
            help=f"{what}: codes or patterns such as 'step-*', with commas between",
        )
    parser.add_argument(
        "--explain",
        nargs="?",
        const="",
        metavar="CODE",
        help="say what a rule means, with an example; without a code, list all",
    )
    parser.add_argument(
        "--dialect", choices=DIALECTS, help="of all files (default: by name, or by what is in it)"
    )
    parser.add_argument(
        "--time-limit",
        type=_positive(float),
        default=20.0,
        metavar="SECONDS",
        help="for each file (default: 20)",
    )
    parser.add_argument(
        "--max-bytes",
        type=_positive(int),
        default=64 * 2**20,
        metavar="N",
        help="larger files are not read (default: 64 MiB)",
    )
    parser.add_argument(
        "--allow-empty", action="store_true", help="exit 0 if no file states an equality"
    )


def run(args: argparse.Namespace) -> int:
    """Check and print; see EPILOG for what is returned."""
    if args.explain is not None:
        return _explain(args.explain)
    if not args.files:
        return _cannot("name a file, a folder, or - for standard input; --help says more")
    if args.json and args.format not in (None, "json"):
        return _cannot(f"--json and --format {args.format} contradict each other")
    if args.output and (why := _files.why_not_writable(args.output)):
        return _cannot(f"--output: {why}")
    require("check", EXTRA, NEEDS)
    from softxent.derive.report import Choice, exit_code

    patterns = {name: _codes(getattr(args, name)) for name in ("select", "ignore")}
    for name, codes in patterns.items():
        for code in codes:
            if not any(fnmatchcase(known, code) for known in _rules()):
                return _cannot(f"--{name} {code}: no such rule{_similar(code)}")
    choice = Choice(strict=args.strict, **patterns)
    sources = find(args.files)
    options = Options(args.dialect, args.time_limit, args.max_bytes)
    with _progress_bar(len(sources)) as progress:
        reports = check_all(sources, options, min(WORKERS, len(sources)), progress)
    _write(args, choice, sources, reports)
    return exit_code(reports, choice, empty_is_fine=args.allow_empty)


def _write(
    args: argparse.Namespace, choice: Choice, sources: Sequence[Source], reports: list[Report]
) -> None:
    """Print the report, or write it to the file that was named."""
    import softxent
    from softxent.derive import report

    form = "json" if args.json else args.format or "text"
    # Of a folder's files most have no formulas; only programs want to hear of each.
    asked = [source.named and not args.allow_empty for source in sources]
    told = [r for a, r in zip(asked, reports, strict=True) if a or r.steps or r.stopped]
    told = told or ([] if args.allow_empty else reports)
    out = Terminal(sys.stdout)
    if form == "json":
        text = report.as_json(reports, choice)
    elif form == "sarif":
        text = report.as_sarif(told, choice, version=softxent.__version__, rules=_rules())
    elif form == "github":
        text = report.as_github(told, choice)
    elif form == "html":
        text = report.as_html(told, choice, version=softxent.__version__)
    else:
        style = report.plain if args.output else out.style
        text = report.as_text(told, choice, style=style, everything=args.everything)
        if len(told) < len(reports):
            left = len(reports) - len(told)
            text += f"{left} {'file states' if left == 1 else 'files state'} no equality\n"
    if args.output:
        _files.write(args.output, text)
        if form != "text":
            print(report.coverage(told), file=sys.stderr)
    else:
        _print(out, text)


def _print(out: Terminal, text: str) -> None:
    encoding = getattr(out.stream, "encoding", None) or "ascii"
    out.stream.flush()
    # A post may hold any character; a stream that lacks it gets a question mark.
    out.stream.write(text.encode(encoding, "replace").decode(encoding))
    out.stream.flush()


def _explain(code: str) -> int:
    rules, out = _rules(), Terminal(sys.stdout)
    if not code:
        out.pairs((name, title) for name, (title, _, _) in sorted(rules.items()))
        return 0
    if code not in rules:
        return _cannot(f"--explain {code}: no such rule{_similar(code)}")
    title, explanation, example = rules[code]
    out.print(out.style(f"{code}: {title}", "bold"))
    for paragraph in explanation.split("\n\n"):
        out.print()
        for line in wrap(" ".join(paragraph.split()), WIDTH):
            out.print(line)
    if example:
        out.print()
        for line in example.strip("\n").split("\n"):
            out.print(f"    {line}")
    return 0


def _rules() -> dict[str, tuple[str, str, str]]:
    """Return of every code its title, explanation and example."""
    from softxent.derive.judge.rules import RULES
    from softxent.derive.report.wording import DOCUMENT_RULES

    return {**RULES, **DOCUMENT_RULES}


def _similar(code: str) -> str:
    close = get_close_matches(code, _rules(), n=3, cutoff=0.5)
    return f"; do you mean {' or '.join(close)}?" if close else "; --explain lists them"


def _codes(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(code.strip() for codes in given for code in codes.split(",") if code.strip())


def _positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not a positive number")
        return value

    parse.__name__ = kind.__name__  # argparse says "invalid int value"
    return parse


def _cannot(reason: str) -> int:
    print(f"softxent check: {reason}", file=sys.stderr)
    return 2


@contextmanager
def _progress_bar(files: int) -> Iterator[Callable[[str], None]]:
    """A bar over many files on stderr; nothing at all off a terminal."""
    from tqdm import tqdm

    if files < 2 or not is_terminal(sys.stderr):
        yield lambda path: None
        return
    shape = "  checking  {bar:30}  {n_fmt}/{total_fmt}  {desc}"
    with tqdm(total=files, leave=False, bar_format=shape, dynamic_ncols=True) as bar:

        def progress(path: str) -> None:
            bar.update()
            bar.set_description_str(path[-40:])

        yield progress
