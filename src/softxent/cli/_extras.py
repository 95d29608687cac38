"""Optional packages of a command, looked for when the command runs."""

from __future__ import annotations

import importlib


class MissingExtra(Exception):
    """A command lacks optional packages; the message has the exact install command."""

    def __init__(self, command: str, extra: str, missing: list[str]) -> None:
        packages = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
        super().__init__(
            f"softxent {command} needs {packages}, which cannot be imported here.\n"
            f'Install what it needs with:\n\n    pip install "softxent[{extra}]"\n'
        )


def require(command: str, extra: str, modules: dict[str, str]) -> None:
    """Raise MissingExtra unless every module (import name -> package name) can be imported.

    A real import, since an installed package may still fail to load.
    """
    missing = []
    for module, package in modules.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            reason = str(error).partition("\n")[0]
            absent = isinstance(error, ModuleNotFoundError) and error.name == module
            missing.append(package if absent else f"{package} ({reason})")
    if missing:
        raise MissingExtra(command, extra, missing)
