"""What every test room shares: the implementations to run a test on."""

import os

import pytest
from hypothesis import settings

from softxent.kernels import registry

if os.environ.get("SOFTXENT_SAME_EXAMPLES"):
    settings.load_profile("ci")  # Hypothesis' own; elsewhere examples are new in every run


@pytest.fixture(params=registry.MODULES)
def implementation(request: pytest.FixtureRequest) -> str:
    """Each implementation by name; those that cannot run here are skipped, saying why."""
    name: str = request.param
    reason = registry.available()[name]
    if reason is not None:
        pytest.skip(f"{name} cannot run here: {reason}")
    return name
