"""What `softxent bench` is to measure, from its options: one process a state of the allocator."""

from __future__ import annotations

import argparse
from typing import Any

import softxent
from softxent.measure import linear, speed
from softxent.measure.machine import machine_card
from softxent.measure.peers import KNOWN
from softxent.measure.record import cases
from softxent.measure.timing import ALLOCATORS, can_be_warm

ROUNDS, QUICK_ROUNDS = 5, 3
QUICK_SHAPES = ((1_048_576, 10), (65_536, 1000), (512, 131_072))
QUICK_OPS = ("new", "out", "in place", "copy", "small")
ONCE = ("small", "linear")  # in one allocator state only: not where the states differ
NO_WARM = "only glibc has this state, and the C library here is another one"


def contradiction(args: argparse.Namespace) -> str | None:
    """What is wrong with the options taken together; None if nothing is."""
    measuring = ("quick", "op", "shape", "dtype", "peer", "allocator", "rounds")
    given = [name for name in measuring if getattr(args, name)]
    if args.saved is not None:
        return f"--from measures nothing, so --{given[0]} has no meaning with it" if given else None
    if args.allocator == "warm" and not can_be_warm():
        return f"--allocator warm: {NO_WARM}"
    if not cases_of(works(args)[0]):
        return (
            "nothing to measure: --op linear goes with shapes N,D,V, the other operations with "
            "shapes N,V"
        )
    return None


def works(args: argparse.Namespace) -> list[dict[str, Any]]:
    """What each process is to do: one a state of the allocator."""
    usual = QUICK_SHAPES if args.quick else speed.SHAPES
    ops = list(args.op or (QUICK_OPS if args.quick else speed.USUAL_OPS))
    if args.shape and not args.op:
        ops.remove("small")
    work = {
        "peers": _keys(args),
        "shapes": args.shape or (*usual, *linear.SHAPES),
        "dtypes": args.dtype or (["float32"] if args.quick else ["float32", "bfloat16"]),
        "ops": ops,
        "rounds": _times(args),
    }
    first, *others = [state for state in _states(args) if state != "warm" or can_be_warm()]
    large = [op for op in ops if op not in ONCE]
    return [
        work | {"allocator": first},
        *(work | {"allocator": state, "ops": large} for state in others if large),
    ]


def left_out(args: argparse.Namespace) -> list[dict[str, Any]]:
    """What no process can be asked for here, as entries of "skipped"."""
    if "warm" not in _states(args) or can_be_warm():
        return []
    nowhere = {"kind": None, "shape": None, "dtype": None, "peer": None}
    return [nowhere | {"allocator": "warm", "reason": NO_WARM}]


def cases_of(work: dict[str, Any]) -> list[Any]:
    """The cases that one process goes through."""
    return cases(work["shapes"], work["dtypes"], work["ops"])


def card(args: argparse.Namespace) -> dict[str, str]:
    """The machine, and how everybody got as many threads."""
    asked = [peer for peer in KNOWN if peer.key in _keys(args)]
    found = machine_card(["numpy", *dict.fromkeys(peer.package for peer in asked)])
    # worker.py starts the process with these variables, each peer sets its own
    found["threads"] = (
        f"{softxent.get_num_threads()} for everybody (torch.set_num_threads, n_threads, NPROC, "
        "OPENBLAS_NUM_THREADS)"
    )
    single = [peer.title for peer in asked if not peer.threaded]
    if single:
        found["threads"] += f" but the {' and the '.join(single)}, which has only 1"
    found["timing"] = f"medians of {_times(args)}, everybody taking turns"
    return found


def _keys(args: argparse.Namespace) -> list[str]:
    return args.peer or [peer.key for peer in KNOWN]


def _times(args: argparse.Namespace) -> int:
    return int(args.rounds or (QUICK_ROUNDS if args.quick else ROUNDS))


def _states(args: argparse.Namespace) -> tuple[str, ...]:
    if args.allocator in ALLOCATORS:
        return (args.allocator,)
    return ("default",) if args.quick and args.allocator is None else ALLOCATORS
