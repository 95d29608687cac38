"""README, "Check a derivation": its files give the output that it shows, its YAML is right."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from softxent.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## Check a derivation\n")[2].partition("\n## ")[0]
FILES = dict(re.findall(r"^`([\w.]+)`,[^\n]*:?\n\n```\w+\n(.*?)^```", SECTION, re.M | re.S))
RUNS = re.findall(r"^```\n\$ softxent ([^\n]*)\n(.*?)^```", SECTION, re.M | re.S)


def test_there_is_something_to_run() -> None:
    assert set(FILES) == {"losses.py", "post.md"}
    assert [command for command, _ in RUNS] == ["check losses.py", "check post.md"]


@pytest.mark.parametrize(("command", "shown"), RUNS)
def test_the_output_is_the_one_shown(
    command: str,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == 1
    assert capsys.readouterr().out == shown


def test_the_hook_that_is_named_exists() -> None:
    yaml = pytest.importorskip("yaml", reason="comes with pre-commit")
    config, workflow = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", SECTION, re.S))
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert [h["id"] for repo in config["repos"] for h in repo["hooks"]] == [hook["id"]]
    runs = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    for command in (hook["entry"], runs[-1]):
        program, *arguments = shlex.split(command)
        assert program == "softxent"
        assert main([*arguments, "--explain", "step-false"]) == 0  # the options exist
