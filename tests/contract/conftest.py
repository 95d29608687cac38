"""Fixtures of the contract tests: every test with `front` runs once per front end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract import worst
from contract.frontends import FRONT_ENDS, FrontEnd


@pytest.fixture(params=FRONT_ENDS, ids=lambda front: front.name)
def front(request: pytest.FixtureRequest) -> FrontEnd:
    """Each front end in turn; one that cannot run here is skipped, with its reason."""
    found: FrontEnd = request.param
    if reason := found.missing():
        pytest.skip(f"{found.name}: {reason}")
    return found


@pytest.fixture
def threaded(front: FrontEnd) -> FrontEnd:
    """Only the front ends that have threads of their own."""
    if not front.threads:
        pytest.skip(f"{front.name} runs on the caller's thread alone")
    return front


@pytest.fixture(scope="session", autouse=True)
def _write_worst(request: pytest.FixtureRequest) -> Iterator[None]:
    """After the session, leave this process's worst errors where `worst.py` reads them."""
    yield
    cache = getattr(request.config, "cache", None)
    if worst.RECORDS and cache is not None:
        folder: Path = cache.mkdir("contract-worst")
        worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
        worst.write(folder / f"{worker}.json")
