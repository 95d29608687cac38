"""How a module of this room is started as a process of its own."""

from __future__ import annotations

import sys


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs `module.main()` in a fresh interpreter.

    Without the current folder on its path: a statistics.py or numpy.py there is the user's.
    """
    program = (
        "import sys; sys.path[:] = [p for p in sys.path if p]; "
        f"from {module} import main; sys.exit(main())"
    )
    return [sys.executable, "-c", program, *arguments]
