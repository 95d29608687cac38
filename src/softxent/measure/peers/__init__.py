"""The peers: those that import here, and why the others do not."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from softxent.measure.peers.base import OPS, Call, Peer, Unavailable
from softxent.measure.peers.pytorch import TORCH, TORCH_COMPILE
from softxent.measure.peers.scipy_recipe import SCIPY
from softxent.measure.peers.sklearn_loss import SKLEARN
from softxent.measure.peers.xla import JAX

__all__ = ["KNOWN", "OPS", "Call", "Peer", "Unavailable", "installed", "missing"]

KNOWN: tuple[Peer, ...] = (SCIPY, SKLEARN, TORCH, TORCH_COMPILE, JAX)


def installed(keys: Sequence[str] | None = None) -> list[Peer]:
    """Return the peers that import here, in a fixed order; of `keys` only, if given."""
    return [peer for peer in _asked(keys) if _reason(peer) is None]


def missing(keys: Sequence[str] | None = None) -> dict[str, str]:
    """Return why each of the other peers does not import, and what would install it."""
    reasons = {peer.key: _reason(peer) for peer in _asked(keys)}
    return {key: reason for key, reason in reasons.items() if reason is not None}


def _asked(keys: Sequence[str] | None) -> list[Peer]:
    unknown = sorted(set(keys or ()) - {peer.key for peer in KNOWN})
    if unknown:
        known = ", ".join(peer.key for peer in KNOWN)
        raise ValueError(f"peer: got {unknown[0]!r}, expected one of {known}")
    return [peer for peer in KNOWN if keys is None or peer.key in keys]


def _reason(peer: Peer) -> str | None:
    # A real import, since an installed package may still fail to load.
    try:
        importlib.import_module(peer.module)
    except Exception as error:
        first = str(error).partition("\n")[0]
        absent = isinstance(error, ModuleNotFoundError) and error.name == peer.module.split(".")[0]
        why = "not installed" if absent else f"does not import: {first}"
        return f"{why}; pip install {peer.package}"
    return None
