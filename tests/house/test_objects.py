"""No function may be shared between instruction sets.

The linker keeps one copy of a weak symbol (a template, an inline function) that several objects
hold. If that copy is the AVX-512 object's, the baseline code calls it and crashes on a machine
without AVX-512. So a weak symbol of rows_avx512 must carry a namespace avx512, and avx2 likewise.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OBJECTS = sorted((ROOT / "build" / "editable").rglob("rows_avx*.o"))


def shared_symbols(nm: str, isa: str) -> list[str]:
    """List the weak definitions in the output of `nm --demangle` that are not in namespace isa."""
    weak = re.findall(r"^[0-9a-f]+ [WVu] (.+)$", nm, re.MULTILINE)
    # DW.ref.*: a pointer to the exception personality routine, data that is the same everywhere.
    return [name for name in weak if f"{isa}::" not in name and not name.startswith("DW.ref.")]


@pytest.mark.skipif(not OBJECTS, reason="no build tree (build/editable) here")
@pytest.mark.skipif(shutil.which("nm") is None, reason="nm is missing")
@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_objects_share_nothing(path: Path) -> None:
    isa = path.name.removeprefix("rows_").partition(".")[0]
    command = ["nm", "--demangle", "--defined-only", str(path)]
    nm = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f"{isa}::" in nm
    assert shared_symbols(nm, isa) == []


def test_a_shared_symbol_is_found() -> None:
    nm = (
        "0000000000000000 W void softxent::avx512::walk<float>(float*)\n"
        "0000000000000000 V DW.ref.__gxx_personality_v0\n"
        "0000000000000010 T softxent::entry()\n"
        "0000000000000000 W float std::max<float>(float, float)\n"
    )
    assert shared_symbols(nm, "avx512") == ["float std::max<float>(float, float)"]
