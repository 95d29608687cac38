"""What runs on this machine, and what should be put right: the facts behind `softxent doctor`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
from importlib import metadata
from typing import Any

from softxent.cli import _advice

SCHEMA_VERSION = 1
# What each package is for here. Versions are read from the packages' metadata: importing torch or
# jax to ask would take seconds.
PACKAGES = {
    "numpy": "required",
    "ml_dtypes": "bfloat16 arrays",
    "scipy": "demo; a peer; BLAS where NumPy hides its own",
    "scikit-learn": "demo; a peer",
    "mpmath": "demo, accuracy: the exact values",
    "matplotlib": "demo, bench: the pictures",
    "jinja2": "demo: the report",
    "threadpoolctl": "demo",
    "tqdm": "demo, bench, accuracy: progress bars",
    "torch": "a peer; its CPU tensors come in without a copy",
    "jax": "a peer; its CPU arrays come in without a copy",
}
BUILD_AGAIN = (
    "SOFTXENT_REQUIRE_NATIVE=1 pip install -v --no-deps --no-cache-dir --force-reinstall ."
)


def collect() -> dict[str, Any]:
    """Everything the command says, as the object that --json prints."""
    import softxent

    native, silent = _native_info()
    findings: list[str] = []
    implementation = _implementation(findings)
    if silent and not implementation["available"].get("native"):
        findings.append(f"softxent._native does not report on itself: {silent}")
    report: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "softxent": softxent.__version__,
        "implementation": implementation,
        "instruction_set": _instruction_set(native, findings),
        "threads": _threads(native, findings),
        "allocator": native.get("pool"),
        "linear_products": _products_road(findings),
        "compiler": native.get("compiler"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in PACKAGES},
        "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith("SOFTXENT_")},
        "commands": _advice.commands(),
        "findings": findings,
    }
    return report | {"advice": _advice.advice(report)}


def remedy(reason: str) -> str:
    """What to do about native kernels that cannot run for this reason."""
    if "SOFTXENT_ISA" in reason:
        return f"unset SOFTXENT_ISA, which is {os.environ.get('SOFTXENT_ISA')!r}."
    return (
        "have a C++20 compiler (g++ 11, clang 14 or newer; on Debian and Ubuntu `apt install g++`),"
        " then build again in softxent's source folder, and read what it says:"
    )


def is_built() -> bool:
    """Whether softxent was installed with its native module."""
    try:
        return importlib.util.find_spec("softxent._native") is not None
    except (ImportError, ValueError):
        return False


def _native_info() -> tuple[dict[str, Any], str | None]:
    try:
        info: dict[str, Any] = importlib.import_module("softxent._native").info()
    except Exception as error:  # whatever it is, a doctor reports it and goes on
        return {}, f"{type(error).__name__}: {error}"
    return info, None


def _implementation(findings: list[str]) -> dict[str, Any]:
    from softxent.kernels import registry

    available = registry.available()
    if reason := available.get("native"):
        command = "" if "SOFTXENT_ISA" in reason else f" {BUILD_AGAIN}"
        findings.append(f"The native kernels cannot run. What to do: {remedy(reason)}{command}")
    asked = os.environ.get("SOFTXENT_IMPLEMENTATION")
    try:
        chosen = registry.pick(None).name
    except Exception as error:
        findings.append(str(error))
        return {"chosen": None, "why": "none can be chosen", "available": available}
    why = f"asked for by SOFTXENT_IMPLEMENTATION={asked}" if asked else "the best that runs here"
    return {"chosen": chosen, "why": why, "available": available}


def _instruction_set(native: dict[str, Any], findings: list[str]) -> dict[str, Any] | None:
    if "isa" not in native:
        return None
    why = _asked_for("SOFTXENT_ISA", native["isa"], findings)
    return {
        "chosen": native["isa"],
        "why": why or "the best of those compiled that this CPU supports",
        "compiled": list(native.get("isa_compiled", [])),
        "supported": list(native.get("isa_supported", [])),
    }


def _threads(native: dict[str, Any], findings: list[str]) -> dict[str, Any]:
    if "threads" not in native:
        return {"count": 1, "cpu_limit": None, "why": "plain NumPy works on one"}
    limit = native.get("cpu_limit")
    allowed = f"this process may use {limit} CPU" + ("" if limit == 1 else "s")
    why = _asked_for("SOFTXENT_NUM_THREADS", native["threads"], findings)
    why = f"{why}; {allowed}" if why else allowed
    return {"count": native["threads"], "cpu_limit": limit, "why": why}


def _asked_for(variable: str, used: object, findings: list[str]) -> str | None:
    """Why a setting is as it is, if the environment asked for that; a finding if in vain."""
    asked = os.environ.get(variable)
    if not asked:
        return None
    if asked == str(used):
        return f"asked for by {variable}={asked}"
    findings.append(f"{variable}={asked} is not in use; {used} is.")
    return None


def _products_road(findings: list[str]) -> str:
    try:
        return str(importlib.import_module("softxent.kernels.products").road())
    except Exception as error:
        findings.append(str(error))
        return f"none ({type(error).__name__})"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
