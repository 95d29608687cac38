"""Files that a command writes: looked at before the work, put in place whole after it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def why_not_writable(path: Path) -> str | None:
    """Why `write` would fail, with what to do; None if it would not. Leaves no trace."""
    target = Path(os.path.realpath(path))
    folder = target.parent
    if target.is_dir():
        return f"{path} is a folder; name a file in it"
    if target.exists() and not target.is_file():
        return f"{path} is not a regular file; name one, or one that does not exist"
    if target.exists() and not os.access(target, os.W_OK):
        return f"{path} is write-protected; name another file"
    if not folder.is_dir():
        return f"the folder {folder} does not exist; make it, or name a file elsewhere"
    try:
        # A real file: what a folder allows depends on more than its permissions.
        with tempfile.NamedTemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"the folder {folder} takes no new file ({error.strerror}); name a file elsewhere"


def write(path: Path, text: str) -> None:
    """Replace the file at once, so that nobody ever reads half of it; links stay links."""
    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a new file to write into; it takes the place of `path` when all went well."""
    target = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, target.stat().st_mode if target.exists() else 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
