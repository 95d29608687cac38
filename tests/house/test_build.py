"""What is built from the tree: an sdist, from it a native wheel, and one without a compiler.

Everything starts at the sdist, so that a file missing there fails here. No network: the build runs
in this environment (--no-build-isolation).
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("build", reason="building needs the development environment")
pytest.importorskip("scikit_build_core", reason="building needs the development environment")

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def run(*command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command, outside the tree, with env on top of the environment."""
    return subprocess.run(
        command, cwd=ROOT.anchor, env={**os.environ, **env}, capture_output=True, text=True
    )


def build_wheel(sdist: Path, out: Path, *options: str, **env: str) -> Path:
    """Build a wheel from an sdist into the empty folder out."""
    pip = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"]
    done = run(*pip, "--wheel-dir", out, *options, sdist, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("*.whl")
    return wheel


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    done = run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", out, ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.tar.gz")
    return path


@pytest.fixture(scope="session")
def plain_wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a machine on which no compiler works."""
    out = tmp_path_factory.mktemp("plain")
    return build_wheel(sdist, out, CC="/bin/false", CXX="/bin/false", SOFTXENT_REQUIRE_NATIVE="0")


def package_files(suffixes: tuple[str, ...]) -> set[str]:
    source = ROOT / "src"
    return {
        path.relative_to(source).as_posix()
        for path in (source / "softxent").rglob("*")
        if path.suffix in suffixes
    }


def test_sdist_holds_what_a_build_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    native = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "native").rglob("*") if path.is_file()
    }
    top = {"pyproject.toml", "CMakeLists.txt", "LICENSE", "README.md"}
    assert native
    assert top | native <= names
    assert not {name for name in names if name.startswith((".venv", "build/", "dist/"))}


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_wheel_from_the_sdist_holds_the_native_module(sdist: Path, tmp_path: Path) -> None:
    # Debug: what matters here is that the sources are complete, and -O3 takes far longer.
    wheel = build_wheel(
        sdist, tmp_path, "--config-settings=cmake.build-type=Debug", SOFTXENT_REQUIRE_NATIVE="1"
    )
    names = names_in(wheel)
    assert "softxent/_native" + sysconfig.get_config_var("EXT_SUFFIX") in names
    assert package_files((".py", ".pyi", ".typed")) <= names


def test_without_a_compiler_the_wheel_is_pure(plain_wheel: Path) -> None:
    assert plain_wheel.name.endswith("-py3-none-any.whl")
    names = names_in(plain_wheel)
    assert package_files((".py", ".pyi", ".typed")) <= names
    native = {name for name in names if name.startswith("softxent/_native")}
    assert native == {"softxent/_native.pyi"}


def test_without_a_compiler_the_package_runs_on_numpy(plain_wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    done = run(*pip, "--target", site, plain_wheel)
    assert done.returncode == 0, done.stderr

    # The base interpreter reads no .pth file from PYTHONPATH, so this wheel is what it imports, not
    # an editable install.
    base = getattr(sys, "_base_executable", sys.executable)
    path = {"PYTHONPATH": os.pathsep.join([str(site), sysconfig.get_path("purelib")])}
    code = (
        "import numpy as np, softxent; print(softxent.__file__);"
        "print(softxent.cross_entropy(np.array([[0.0, 0.0]]), np.array([1])))"
    )
    done = run(base, "-c", code, **path)
    assert done.returncode == 0, done.stderr
    file, loss = done.stdout.split()
    assert Path(file).is_relative_to(site)
    assert float(loss) == pytest.approx(0.6931471805599453, rel=1e-15)

    doctor = run(base, "-m", "softxent", "doctor", **path)
    assert doctor.returncode in (0, 1), doctor.stderr
    assert "plain NumPy" in doctor.stdout


def test_a_required_native_build_fails_loudly(sdist: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"]
    env = {"CC": "/bin/false", "CXX": "/bin/false", "SOFTXENT_REQUIRE_NATIVE": "1"}
    done = run(*pip, "--wheel-dir", tmp_path, sdist, **env)
    assert done.returncode != 0
    assert "/bin/false" in done.stdout + done.stderr
