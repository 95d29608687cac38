"""One version everywhere: the package, the metadata, the change log."""

import re
from importlib import metadata
from pathlib import Path

import pytest

import softxent

ROOT = Path(__file__).parents[2]


def test_project_file_and_package_agree() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    declared = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    assert declared is not None
    assert softxent.__version__ == declared[1]


def test_installed_metadata_agrees() -> None:
    try:
        installed = metadata.version("softxent")
    except metadata.PackageNotFoundError:
        pytest.skip("softxent is imported from its source, not installed")
    assert installed == softxent.__version__


def test_change_log_begins_with_this_version() -> None:
    headings = re.findall(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == softxent.__version__
