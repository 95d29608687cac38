"""Ways to run the command: in this process, in another one, and on a terminal."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from typing import NamedTuple

import pytest

import softxent.cli


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in [*filter(lambda n: n.startswith("SOFTXENT_"), os.environ), "NO_COLOR"]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def call(capsys):
    """main(argv) in this process."""

    def call(*argv):
        capsys.readouterr()
        code = softxent.cli.main(argv)
        return Ran(code, *capsys.readouterr())

    return call


@pytest.fixture
def spawn():
    """Another Python process, its streams piped."""

    def spawn(*python_arguments, **environment):
        done = subprocess.run(
            [sys.executable, *python_arguments],
            capture_output=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
            timeout=280,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return spawn


@pytest.fixture
def on_terminal():
    """`softxent ...`, or a program, on a pseudo-terminal; exit code and all that was written."""
    fcntl, pty, termios = map(pytest.importorskip, ("fcntl", "pty", "termios"))

    def on_terminal(*argv, program=None, **environment):
        start = ["-m", "softxent"] if program is None else ["-c", program]
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        process = subprocess.Popen(
            [sys.executable, *start, *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ | {"TERM": "xterm", "PYTHONIOENCODING": "utf-8"} | environment,
        )
        os.close(theirs)
        written = b""
        while True:
            try:
                more = os.read(ours, 65536)
            except OSError:  # Linux: the other end is closed
                break
            if not more:
                break
            written += more
        os.close(ours)
        return process.wait(timeout=60), written.decode()

    return on_terminal
