"""Every test with `implementation` runs once for each that works on tensors on the CPU."""

import pytest
from contract.frontends import FRONT_ENDS

TORCH = {front.name.removeprefix("torch-"): front for front in FRONT_ENDS if "torch" in front.name}


@pytest.fixture(params=TORCH)
def implementation(request: pytest.FixtureRequest) -> str:
    """The name; one that cannot run here is skipped, saying why."""
    name: str = request.param
    if reason := TORCH[name].missing():
        pytest.skip(f"{name}: {reason}")
    return name
