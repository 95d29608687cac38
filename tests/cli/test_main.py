"""The front door: help, version, exit codes, missing extras."""

from __future__ import annotations

import sys

import pytest

import softxent
from softxent.cli import COMMANDS, demo, doctor
from softxent.cli._extras import MissingExtra, require

HELPS = [["--help"], *([command.name, "--help"] for command in COMMANDS)]


def test_version(call):
    assert call("--version") == (0, f"softxent {softxent.__version__}\n", "")


def test_python_m_softxent(spawn):
    assert spawn("-m", "softxent", "--version") == (0, f"softxent {softxent.__version__}\n", "")


@pytest.mark.parametrize("argv", HELPS, ids=" ".join)
@pytest.mark.parametrize("columns", ["20", "300"])
def test_help_reads_well_in_80_columns(call, argv, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    code, out, err = call(*argv)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 79
    assert "--help" in out and "\x1b" not in out


def test_help_names_every_command_and_every_exit_code(call):
    out = call("--help").out
    for command in COMMANDS:
        assert command.name in out and command.summary in out
    assert all(f"\n  {code}  " in out for code in (0, 1, 2))


@pytest.mark.parametrize(
    "argv", [[], ["dance"], ["demo", "--loud"], ["demo", "more"], ["doctor", "--json=3"]], ids=str
)
def test_bad_usage_is_2_and_says_how(call, argv):
    code, out, err = call(*argv)
    assert (code, out) == (2, "")
    assert "usage: softxent" in err


def test_help_imports_no_command(spawn):
    program = (
        "import sys; from softxent.cli import main; main(['--help'])\n"
        "loaded = [m for m in sys.modules if m in ('sklearn', 'scipy', 'tqdm', 'torch')\n"
        "          or m in ('softxent.cli.demo', 'softxent.cli.doctor')]\n"
        "sys.exit(repr(loaded) if loaded else 0)"
    )
    assert spawn("-c", program).code == 0


@pytest.mark.parametrize("module, package", demo.NEEDS.items())
def test_a_missing_extra_gives_the_install_command_and_2(spawn, module, package):
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from softxent.cli import main; sys.exit(main(['demo']))"
    )
    code, out, err = spawn("-c", program)
    assert (code, out) == (2, "")
    assert '\n    pip install "softxent[demo]"\n' in err
    assert f"softxent demo needs {package}" in err or package in err.partition("\n")[0]
    assert "Traceback" not in err


def test_several_missing_packages_in_one_sentence():
    with pytest.raises(MissingExtra, match="needs one, two and three, which cannot be imported"):
        require("demo", "demo", {"no_such_a": "one", "no_such_b": "two", "no_such_c": "three"})


def test_an_extra_that_is_there_but_broken_says_how(tmp_path, monkeypatch):
    (tmp_path / "broken_here.py").write_text("raise ImportError('libgomp.so.1: gone')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtra, match=r"needs parts \(libgomp.so.1: gone\), which"):
        require("demo", "demo", {"broken_here": "parts"})


def test_an_unforeseen_error_is_2_not_1(call, monkeypatch):
    def fail(args):
        raise RuntimeError("out of cheese")

    monkeypatch.setattr(doctor, "run", fail)
    code, _, err = call("doctor")
    assert code == 2
    assert err.endswith("softxent: error: RuntimeError: out of cheese\n")


def test_ctrl_c_is_130_without_a_traceback(call, monkeypatch):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "run", interrupt)
    assert call("doctor") == (130, "", "softxent: interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_reader_that_leaves_is_no_error(spawn):
    program = (
        "import os, sys; read, write = os.pipe(); os.close(read); os.dup2(write, 1)\n"
        "from softxent.cli import main; sys.exit(main(['--help']))"
    )
    code, _, err = spawn("-c", program)
    assert (code, err) == (0, "")
