"""Colour, tables, letters that the stream has."""

from __future__ import annotations

import io

import pytest

from softxent.cli._terminal import Terminal, is_terminal, table, wrap


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_a_pipe_gets_no_colour():
    assert Terminal(io.StringIO()).style("x", "red", "bold") == "x"


def test_a_terminal_gets_colour(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert Terminal(Screen()).style("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"


@pytest.mark.parametrize("name, value", [("NO_COLOR", "1"), ("NO_COLOR", "0"), ("TERM", "dumb")])
def test_a_terminal_that_asks_for_none_gets_none(monkeypatch, name, value):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    assert Terminal(Screen()).style("x", "red") == "x"


def test_an_empty_no_color_does_not_count(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "")
    assert Terminal(Screen()).colour


def test_no_color_leaves_the_progress_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert is_terminal(Screen())


def test_letters_the_stream_lacks_are_spelled_out():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Terminal(stream).print("✓ y − t ≤ 6")
    stream.flush()
    assert raw.getvalue().decode() == "+ y - t <= 6\n"


def test_table_aligns_columns_and_trims():
    assert table([("a", 1, "x"), ("bcd", 22, "")], "<><", gap=" ") == ["a    1 x", "bcd 22"]


def test_wrap_keeps_long_words_whole():
    assert wrap("a --long-option-of-pip b", 8) == ["a", "--long-option-of-pip", "b"]
    assert wrap("", 8) == [""]
