"""Which implementation runs a call on tensors, by name.

To add one (Triton, say): give it a name in `NAMES`, and let `pick` return what the front end calls.
"""

from __future__ import annotations

from torch import Tensor

from softxent.errors import error, nearest
from softxent.kernels import registry
from softxent.kernels.registry import Kernels

REFERENCE = "reference"
NAMES = (*registry.MODULES, REFERENCE)


def pick(where: str, implementation: str | None, tensor: Tensor) -> Kernels | None:
    """Return the row kernels for a tensor on the CPU, or None for torch operations.

    implementation: a name, or None for the best that can run: the kernels on the CPU, the
    operations elsewhere.
    """
    on_cpu = tensor.device.type == "cpu"
    if implementation is None:
        return registry.pick(None) if on_cpu else None
    if implementation == REFERENCE:
        return None
    if implementation not in NAMES:
        raise error(
            ValueError,
            "implementation",
            where,
            "implementation",
            repr(implementation),
            f"one of {', '.join(NAMES)}, or None for the best that can run",
            nearest(str(implementation), NAMES),
        )
    if not on_cpu:
        raise error(
            ValueError,
            "implementation",
            where,
            "implementation",
            f"{implementation!r} for a tensor on {tensor.device}",
            "'reference' or None there",
            "The row kernels run on the CPU; torch operations run everywhere.",
        )
    return registry.pick(implementation)
