"""Reports to text: for people, for editors and robots, for pages.

Every format takes the reports of some files and what counts as a finding (`Choice`), and returns
one text.
"""

from __future__ import annotations

from softxent.derive.report.choice import Choice, Level, exit_code, level
from softxent.derive.report.github import as_github
from softxent.derive.report.json_object import SCHEMA_VERSION, as_json
from softxent.derive.report.page import as_html
from softxent.derive.report.sarif import as_sarif
from softxent.derive.report.text import as_text, plain
from softxent.derive.report.wording import coverage

__all__ = [
    "SCHEMA_VERSION",
    "Choice",
    "Level",
    "as_github",
    "as_html",
    "as_json",
    "as_sarif",
    "as_text",
    "coverage",
    "exit_code",
    "level",
    "plain",
]
