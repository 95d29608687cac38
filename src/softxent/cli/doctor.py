"""`softxent doctor`: what runs on this machine, why not the rest, and what to do about it."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from typing import Any

from softxent.cli._machine import BUILD_AGAIN, PACKAGES, collect, is_built, remedy
from softxent.cli._terminal import WIDTH, Terminal, table, wrap

DESCRIPTION = """\
Says which implementation of softxent runs on this machine and why each other
cannot; the instruction set, threads, allocator, huge pages and BLAS in use;
the versions around it; which commands are ready and what the others lack.
Imports no package that softxent itself would not.

Exits 1 if something should be put right (✗); it says what, and how. What
could merely be faster (•) does not change the exit code."""

# What the system's setting for transparent huge pages means for large outputs.
HUGE_PAGES = {
    "always": "yes (the system gives them to everybody)",
    "madvise": "yes (the system gives them on request)",
    "never": "no (the system has them switched off)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `softxent doctor`."""
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Collect the report and print it; 1 if it has findings."""
    report = collect()
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        show(Terminal(sys.stdout), report)
    return 1 if report["findings"] else 0


def show(out: Terminal, report: dict[str, Any]) -> None:
    """Print the report for people, the missing native kernels first of all."""
    if report["implementation"]["available"].get("native"):
        _shout(out, report["implementation"]["available"]["native"])
    out.print(out.style("softxent", "bold") + f" {report['softxent']} · doctor")
    out.title("What runs here")
    out.pairs(_running(report))
    out.title("Versions")
    rows = [("python", report["python"], f"{platform.system()} {platform.machine()}")]
    rows += [(n, v or "not installed", PACKAGES[n]) for n, v in report["versions"].items()]
    for row, line in zip(rows, table(rows, "<<<", gap="  "), strict=True):
        out.print("  " + (out.style(line, "dim") if row[1] == "not installed" else line))
    out.title("Commands")
    out.pairs((name, lacks or "ready") for name, lacks in report["commands"].items())
    out.print()
    for finding in report["findings"]:
        _show_item(out, out.style("✗", "red", "bold"), finding)
    for text in report["advice"]:
        _show_item(out, out.style("•", "yellow"), text)
    if not report["findings"]:
        out.print("  " + out.style("✓", "green") + " nothing to put right")


def _running(report: dict[str, Any]) -> list[tuple[str, str]]:
    implementation, isa = report["implementation"], report["instruction_set"]
    threads, pool = report["threads"], report["allocator"]
    pairs = [("implementation", f"{implementation['chosen']}: {implementation['why']}")]
    for name, reason in implementation["available"].items():
        pairs.append((f"  {name}", "can run" if reason is None else f"cannot run: {reason}"))
    if isa is not None:
        pairs += [
            ("instruction set", f"{isa['chosen']}: {isa['why']}"),
            ("  compiled", ", ".join(isa["compiled"])),
            ("  supported", ", ".join(isa["supported"])),
        ]
    pairs.append(("threads", f"{threads['count']}: {threads['why']}"))
    pairs.append(("allocator", _allocator(pool)))
    if pool is not None:
        mode = pool.get("huge_pages", "unknown")
        pairs.append(("  huge pages", HUGE_PAGES.get(mode, mode)))
    pairs.append(("linear products", report["linear_products"]))
    if report["compiler"]:
        pairs.append(("compiler", report["compiler"]))
    pairs += [(name, f"{value} (set)") for name, value in report["environment"].items()]
    return pairs


def _allocator(pool: dict[str, Any] | None) -> str:
    if pool is None:
        return "NumPy's own; the pool comes with the native kernels"
    if not pool.get("enabled"):
        return "NumPy's own; the pool is switched off"
    limit, held = (pool.get(key, 0) / 2**20 for key in ("limit_bytes", "held_bytes"))
    return f"keeps up to {limit:.0f} MiB of freed outputs, {held:.0f} MiB now"


def _shout(out: Terminal, reason: str) -> None:
    bar = out.style("!" * WIDTH, "yellow", "bold")
    state = "DO NOT LOAD" if is_built() else "ARE MISSING"
    out.print(bar)
    out.print(out.style(f"THE NATIVE KERNELS {state}: softxent runs on plain NumPy.", "bold"))
    out.print()
    for line in wrap(f"Why: {reason}", WIDTH):
        out.print(line)
    out.print()
    out.print("What it costs: results are as accurate, but take 15 to 27 times as long, on one")
    out.print("thread.")
    out.print()
    for line in wrap(f"What to do: {remedy(reason)}", WIDTH):
        out.print(line)
    if "SOFTXENT_ISA" not in reason:
        out.print("    " + " \\\n        ".join(wrap(BUILD_AGAIN, 60)))
    out.print(bar)
    out.print()


def _show_item(out: Terminal, mark: str, text: str) -> None:
    first, *rest = wrap(text, WIDTH - 4)
    out.print(f"  {mark} {first}")
    for line in rest:
        out.print(f"    {line}")
