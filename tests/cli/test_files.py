"""Files: what cannot be written is told before; what is written is there whole, or not at all."""

from __future__ import annotations

import os
import stat

import pytest

from softxent.cli import _files


def test_a_new_file_and_one_that_exists(tmp_path):
    path = tmp_path / "a.html"
    for text in ("one", "two − 2"):
        assert _files.why_not_writable(path) is None
        _files.write(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert os.listdir(tmp_path) == ["a.html"]


def test_looking_leaves_no_trace(tmp_path):
    assert _files.why_not_writable(tmp_path / "a.html") is None
    assert os.listdir(tmp_path) == []


def test_a_name_alone_is_in_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = type(tmp_path)("a.html")
    assert _files.why_not_writable(path) is None
    _files.write(path, "x")
    assert (tmp_path / "a.html").read_text() == "x"


@pytest.mark.parametrize(
    "name, words",
    [
        ("folder", "is a folder; name a file in it"),
        ("none/a.html", "none does not exist; make it, or name a file elsewhere"),
        ("file/a.html", "file does not exist"),
        ("/dev/null", "/dev/null is not a regular file"),
        ("/proc/a.html", "the folder /proc takes no new file (No such file or directory)"),
    ],
)
def test_what_cannot_be_written_says_why(tmp_path, name, words):
    if name.startswith("/") and not os.path.exists(os.path.dirname(name)):
        pytest.skip(f"no {name} here")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert words in str(_files.why_not_writable(tmp_path / name))


def test_a_write_protected_file(tmp_path, monkeypatch):
    path = tmp_path / "a.html"
    path.write_text("mine")
    monkeypatch.setattr(os, "access", lambda *a: False)  # root may write what it likes
    assert "is write-protected; name another file" in str(_files.why_not_writable(path))


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "a.html", tmp_path / "link.html"
    target.write_text("old")
    link.symlink_to(target)
    assert _files.why_not_writable(link) is None
    _files.write(link, "new")
    assert link.is_symlink() and target.read_text() == "new"


def test_permissions_are_the_files_own_or_the_usual(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("x")
    old.chmod(0o640)
    mask = os.umask(0o027)
    try:
        _files.write(old, "y")
        _files.write(new, "y")
    finally:
        os.umask(mask)
    assert [stat.S_IMODE(p.stat().st_mode) for p in (old, new)] == [0o640, 0o640]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.html"
    path.write_text("old")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        _files.write(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.html"]
