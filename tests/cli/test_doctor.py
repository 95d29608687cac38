"""`softxent doctor`, with and without native kernels; the machine is made up where it matters."""

from __future__ import annotations

import json
import re
import sys
from types import ModuleType, SimpleNamespace

import pytest

import softxent.cli
from softxent.cli import _advice, _machine, doctor
from softxent.kernels import registry

NOT_BUILT = "No module named 'softxent._native'"


def fake_module(monkeypatch, name, **members):
    module = ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def native(monkeypatch):
    """A machine with native kernels; returns what `_native.info()` reports, to be changed."""
    info = {
        "isa_compiled": ["baseline", "avx2", "avx512"],
        "isa_supported": ["baseline", "avx2"],
        "isa": "avx2",
        "threads": 2,
        "cpu_limit": 2,
        "pool": {
            "limit_bytes": 512 << 20,
            "held_bytes": 3 << 20,
            "enabled": True,
            "huge_pages": "madvise",
        },
        "compiler": "g++ 12.2.0",
    }
    fake_module(monkeypatch, "softxent._native", info=lambda: info)
    fake_module(monkeypatch, "softxent.kernels.products", road=lambda: "SciPy's OpenBLAS")
    monkeypatch.setattr(registry, "available", lambda: {"native": None, "numpy": None})
    monkeypatch.setattr(registry, "pick", lambda name=None: SimpleNamespace(name="native"))
    return info


@pytest.fixture
def no_native(monkeypatch):
    monkeypatch.setitem(sys.modules, "softxent._native", None)
    monkeypatch.setattr(registry, "available", lambda: {"native": NOT_BUILT, "numpy": None})
    monkeypatch.setattr(registry, "pick", lambda name=None: SimpleNamespace(name="numpy"))


def test_here(call):
    """Whatever this machine is, the report agrees with the registry."""
    code, out, err = call("doctor", "--json")
    report = json.loads(out)
    assert err == ""
    assert report["implementation"]["available"] == registry.available()
    assert report["implementation"]["chosen"] == registry.pick(None).name
    assert code == (1 if report["findings"] else 0)


def test_healthy(call, native):
    code, out, err = call("doctor")
    assert (code, err) == (0, "")
    assert "native: the best that runs here" in out
    assert "avx2: the best of those compiled that this CPU supports" in out
    assert "baseline, avx2, avx512" in out
    assert "2: this process may use 2 CPUs" in out
    assert "keeps up to 512 MiB of freed outputs, 3 MiB now" in out
    assert (
        "yes (the system gives them on request)" in out
        and "SciPy's OpenBLAS" in out
        and "g++ 12.2.0" in out
    )
    assert "nothing to put right" in out
    assert "!!!" not in out


def test_healthy_json(call, native):
    code, out, _ = call("doctor", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["schema_version"] == 1
    assert report["instruction_set"]["compiled"] == ["baseline", "avx2", "avx512"]
    assert report["instruction_set"]["chosen"] == "avx2"
    assert report["threads"]["count"] == 2
    assert report["allocator"] == native["pool"]
    assert report["findings"] == []
    assert set(report["versions"]) == set(_machine.PACKAGES)


def test_missing_native_kernels_come_first_and_loud(call, no_native):
    code, out, _ = call("doctor")
    assert code == 1
    assert out.startswith("!!!!!!!!!!")
    assert "THE NATIVE KERNELS ARE MISSING" in out.splitlines()[1]
    assert NOT_BUILT in out
    assert "C++20 compiler" in out and "pip install -v" in out
    assert "plain NumPy works on one" in out


def test_missing_native_kernels_json(call, no_native):
    code, out, _ = call("doctor", "--json")
    report = json.loads(out)
    assert code == 1
    assert report["implementation"]["available"]["native"] == NOT_BUILT
    assert report["instruction_set"] is None and report["allocator"] is None
    assert report["threads"]["count"] == 1
    assert any("C++20" in finding for finding in report["findings"])


def test_says_why_when_the_environment_chose(call, native, monkeypatch):
    monkeypatch.setenv("SOFTXENT_IMPLEMENTATION", "native")
    monkeypatch.setenv("SOFTXENT_ISA", "avx2")
    monkeypatch.setenv("SOFTXENT_NUM_THREADS", "2")
    code, out, _ = call("doctor")
    assert code == 0
    for setting in ("SOFTXENT_IMPLEMENTATION=native", "SOFTXENT_ISA=avx2"):
        assert f"asked for by {setting}" in out
    assert "asked for by SOFTXENT_NUM_THREADS=2" in " ".join(out.split())


@pytest.mark.parametrize(
    "variable, value, used", [("ISA", "avx512", "avx2"), ("NUM_THREADS", "many", "2")]
)
def test_a_setting_without_effect_is_a_finding(call, native, monkeypatch, variable, value, used):
    monkeypatch.setenv(f"SOFTXENT_{variable}", value)
    code, out, _ = call("doctor")
    assert code == 1
    assert f"SOFTXENT_{variable}={value} is not in use; {used} is." in out


def test_a_wrong_default_implementation_is_a_finding(spawn):
    code, out, err = spawn("-m", "softxent", "doctor", SOFTXENT_IMPLEMENTATION="abacus")
    assert (code, err) == (1, "")
    assert "abacus" in out and "none can be chosen" in out


def test_one_thread_and_no_pool(call, native):
    native["cpu_limit"] = native["threads"] = 1
    native["pool"]["enabled"] = False
    out = call("doctor").out
    assert "1: this process may use 1 CPU\n" in out
    assert "NumPy's own; the pool is switched off" in out


def test_a_native_module_that_fails_to_report(call, native, monkeypatch):
    fake_module(monkeypatch, "softxent._native")  # has no info()
    code, out, _ = call("doctor")
    assert code == 1
    assert "softxent._native does not report on itself: AttributeError" in out


def test_a_blas_road_that_fails_is_a_finding(call, native, monkeypatch):
    def road():
        raise ValueError("SOFTXENT_BLAS: 'abacus'; expected one of numpy, scipy, matmul")

    fake_module(monkeypatch, "softxent.kernels.products", road=road)
    code, out, _ = call("doctor")
    assert code == 1
    assert "none (ValueError)" in out and "SOFTXENT_BLAS: 'abacus'; expected" in out


def test_an_instruction_set_that_keeps_the_kernels_from_loading(call, no_native, monkeypatch):
    monkeypatch.setenv("SOFTXENT_ISA", "avx9000")
    reason = "softxent: SOFTXENT_ISA names an instruction set that is not compiled in"
    monkeypatch.setattr(registry, "available", lambda: {"native": reason, "numpy": None})
    monkeypatch.setattr(doctor, "is_built", lambda: True)
    code, out, _ = call("doctor")
    assert code == 1
    assert "THE NATIVE KERNELS DO NOT LOAD" in out
    assert "What to do: unset SOFTXENT_ISA, which is 'avx9000'." in out
    assert "pip install" not in out  # building again would not help


def test_a_package_that_is_not_installed(call, native, monkeypatch):
    def version(name):
        if name == "torch":
            raise _machine.metadata.PackageNotFoundError(name)
        return "1.2.3"

    monkeypatch.setattr(_machine.metadata, "version", version)
    assert re.search(r"torch +not installed", call("doctor").out)
    assert json.loads(call("doctor", "--json").out)["versions"]["torch"] is None


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda info: info["pool"].update(enabled=False), "Unset SOFTXENT_POOL_BYTES"),
        (lambda info: info["pool"].update(huge_pages="never"), "echo madvise >"),
        (lambda info: info.update(threads=1), "1 of 2 CPUs are used."),
        (lambda info: info.update(isa="baseline"), "though this CPU has avx2"),
    ],
)
def test_what_could_be_faster_is_advice_and_no_finding(call, native, change, words):
    change(native)
    code, out, _ = call("doctor")
    assert code == 0
    assert words in " ".join(out.split()) and "nothing to put right" in out
    assert len(json.loads(call("doctor", "--json").out)["advice"]) == 1


def test_a_product_that_cannot_add_is_advice(call, native, monkeypatch):
    fake_module(
        monkeypatch, "softxent.kernels.products", road=lambda: "matmul: np.matmul; not 'numpy'"
    )
    code, out, _ = call("doctor")
    assert code == 0
    assert "pip install scipy" in out


def test_nothing_to_advise_on_a_good_machine(call, native):
    assert json.loads(call("doctor", "--json").out)["advice"] == []


def test_says_which_commands_are_ready(call, native, monkeypatch):
    installed = _advice._is_installed
    monkeypatch.setattr(_advice, "_is_installed", lambda name: name != "jinja2" and installed(name))
    code, out, _ = call("doctor")
    assert code == 0  # an extra that nobody asked for is no fault
    assert 'demo jinja2 missing: pip install "softxent[demo]"' in " ".join(out.split())
    assert re.search(r"doctor +ready", out)
    ready = json.loads(call("doctor", "--json").out)["commands"]
    assert ready["doctor"] is None and "jinja2" in ready["demo"]
    assert set(ready) == {command.name for command in softxent.cli.COMMANDS}


@pytest.mark.parametrize("state", ["native", "no_native"])
def test_fits_80_columns_and_has_no_escape_codes_when_piped(call, state, request):
    request.getfixturevalue(state)
    out = call("doctor").out
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out


def test_imports_nothing_heavy(spawn):
    program = (
        "import sys; from softxent.cli import main; main(['doctor'])\n"
        "heavy = {'torch', 'jax', 'sklearn', 'mpmath', 'tqdm'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    code, _, err = spawn("-c", program)
    assert (code, err) == (0, "")
