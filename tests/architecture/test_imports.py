"""Imports go one way: each room may import the rooms below it, and nothing else of the package.

The arrows are those of ARCHITECTURE.md. Every import counts, also one inside a function or under
TYPE_CHECKING: a reader of the lower room would need the upper one all the same.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

import softxent

PACKAGE = Path(softxent.__file__).parent

BASE = {"formula", "errors"}
CONTRACTS = BASE | {"reference", "contracts"}
FRONT = CONTRACTS | {"kernels", "frontends"}
PUBLIC = FRONT | {"softxent"}  # "softxent" is the top level itself: its public names

MAY_IMPORT: dict[str, set[str]] = {
    "formula": set(),
    "errors": set(),
    "reference": BASE,
    "reference_linear": BASE | {"reference"},
    "contracts": BASE | {"reference"},
    "kernels": CONTRACTS | {"_native"},
    "frontends": CONTRACTS | {"kernels"},
    "softxent": FRONT,
    "torch": FRONT,  # the public door of frontends/torch
    "parallel": PUBLIC,
    "learn": PUBLIC,
    "derive": BASE | {"reference"},
    "explorer": BASE | {"reference", "derive"},
    "measure": PUBLIC | {"_native"},
    "cli": PUBLIC | {"parallel", "learn", "derive", "explorer", "measure"},
    "__main__": {"cli"},
}

HEAVY = ("torch", "jax", "scipy", "sklearn", "ml_dtypes", "mpmath", "tqdm")


def wrong_arrows(package: Path) -> list[str]:
    """List every import in the package that goes against MAY_IMPORT, as file:line: room -> room."""
    found = []
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package).with_suffix("").parts
        home = room_of((package.name, *module))
        for line, target in imported(path, package):
            room = room_of(target)
            if room != home and room not in MAY_IMPORT.get(home, set()):
                found.append(f"{path.relative_to(package)}:{line}: {home} -> {room}")
    return found


def room_of(dotted: tuple[str, ...]) -> str:
    """('softxent', 'kernels', 'plain') -> 'kernels'; the top level's own __init__ -> 'softxent'."""
    return "softxent" if dotted[1:] in ((), ("__init__",)) else dotted[1]


def imported(path: Path, package: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield (line, dotted name) for each import of the package's own modules in one file."""
    here = (package.name, *path.relative_to(package).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            names = [base]
            if base == (package.name,):  # from softxent import X: X may be a room or a public name
                rooms = {p.stem for p in package.iterdir()} | {"_native"}
                names = [(*base, a.name) if a.name in rooms else base for a in node.names]
        yield from ((node.lineno, name) for name in names if name[0] == package.name)


def heavy_modules(code: str) -> list[str]:
    """Run code in a fresh interpreter; return the heavy libraries that it loaded."""
    probe = f"{code}\nimport sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    return fresh_python(probe).split()


def fresh_python(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return run.stdout


def test_every_arrow_is_right() -> None:
    assert wrong_arrows(PACKAGE) == []


def test_every_room_is_known() -> None:
    rooms = {
        room_of((PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in PACKAGE.rglob("*.py")
    }
    assert rooms <= set(MAY_IMPORT), "a new room: add it to MAY_IMPORT and to ARCHITECTURE.md"


@pytest.mark.parametrize(
    ("file", "source", "arrow"),
    [
        ("errors.py", "import softxent.contracts", "errors.py:1: errors -> contracts"),
        ("contracts.py", "from softxent import kernels", "contracts.py:1: contracts -> kernels"),
        ("kernels/a.py", "from ..frontends import b", "kernels/a.py:1: kernels -> frontends"),
        ("kernels/a.py", "from softxent import loss", "kernels/a.py:1: kernels -> softxent"),
        ("learn/a.py", "def f():\n    from ..cli import b", "learn/a.py:2: learn -> cli"),
        ("attic.py", "from . import errors", "attic.py:1: attic -> errors"),
    ],
)
def test_a_wrong_arrow_is_found(tmp_path: Path, file: str, source: str, arrow: str) -> None:
    package = tmp_path / "softxent"
    for name in ("__init__.py", "errors.py", "contracts.py", "kernels/__init__.py", file):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).touch()
    (package / file).write_text(source)
    assert wrong_arrows(package) == [arrow]


def test_importing_softxent_loads_nothing_heavy() -> None:
    assert heavy_modules("import softxent") == []


def test_a_heavy_import_is_found() -> None:
    pytest.importorskip("scipy")
    assert heavy_modules("import softxent, scipy") == ["scipy"]


def test_import_time() -> None:
    """At most 60 ms of processor time beyond NumPy; what else the machine does is not ours."""
    code = (
        "import time, numpy; start = time.process_time(); import softxent;"
        "print(time.process_time() - start)"
    )
    seconds = [float(fresh_python(code)) for _ in range(7)]
    assert median(seconds) <= 0.060, seconds
