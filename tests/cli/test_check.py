"""`softxent check`: files in, one report out, and nothing that a file does reaches another."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest

from softxent.cli import _check_files, _check_pool, check

pytest.importorskip("tqdm")

FALSE = "$$y_k = \\frac{e^{z_k}}{\\sum_j e^{z_j}}$$\n\n$$\\sum_k y_k = 2$$\n"
TRUE = FALSE.replace("2$", "1$")
RULES = {
    "step-false": ("A false step", "Its sides differ\nsomewhere.\n\nTwice.", "$1 = 2$"),
    "step-true": ("A true step", "", ""),
}

# Stands for the checker: what a file says decides what becomes of it.
STUB = """
import os, sys, time
import softxent.derive
from softxent.derive.verdicts import Note, Report, Step, Verdict

def check(text, path="", dialect=None, time_limit=20.0, tell=print):
    print("a library prints this")
    verdict = Verdict.FALSE if "2$" in text else Verdict.TRUE
    place = max(text.find("\\\\sum_k"), 0)
    step = Step(path, 3, 14, place, place + 14, True, "a", dialect or "b", None, None, verdict,
                "step-false" if verdict is Verdict.FALSE else "step-true", "said")
    if "$" in text: tell(step)
    if "crash" in text: raise RuntimeError("out of cheese")
    if "die" in text: os._exit(3)
    if "hang" in text:
        while True: pass
    if "memory" in text: bytearray(8 * 2**30)
    return Report(path, text, (step,) if "$" in text else ())

softxent.derive.check = check
from softxent.cli._check_worker import main
main()
"""


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(_check_pool, "command", lambda module: [sys.executable, "-c", STUB])
    monkeypatch.setattr(check, "_rules", lambda: RULES)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"true.md": TRUE, "false.md": FALSE, "empty.md": "no formula\n"}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["true.md"], 0),
        (["false.md"], 1),
        (["true.md", "false.md", "true.md"], 1),
        (["empty.md"], 2),
        (["empty.md", "--allow-empty"], 0),
        (["true.md", "empty.md"], 0),
        (["no.md"], 2),
        (["no.md", "false.md"], 2),
        (["false.md", "--ignore", "step-false"], 0),
        (["false.md", "--select", "step-true"], 0),
        (["false.md", "--select", "step-*,step-true"], 1),
        (["."], 1),
        (["*rue.md"], 0),
        (["*.tex"], 2),
    ],
)
def test_exit_codes(call, stub, folder, argv, code):
    found = call("check", *argv)
    assert found.code == code, found


def test_a_false_step_is_shown_with_its_place(call, stub, folder):
    code, out, err = call("check", "false.md")
    assert (code, err) == (1, "")
    assert out == (
        "false.md:3:14: FALSE (step-false)\n    \\sum_k y_k = 2\n               ^\n  said\n\n"
        "checked 1 of 1 step: 1 false\n"
    )


def test_files_that_fail_do_not_keep_others_from_being_checked(call, stub, folder):
    for name in ("crash", "die", "hang"):
        (folder / f"{name}.md").write_text(f"{name} $ 2$")
    (folder / "binary.md").write_bytes(b"\0\1\2")
    begin = time.monotonic()
    names = ["crash.md", "die.md", "hang.md", "binary.md", "gone.md", "true.md", "false.md"]
    code, out, _ = call("check", "--json", "--time-limit", "0.5", *names)
    assert time.monotonic() - begin < 30
    files = {file["path"]: file for file in json.loads(out)["files"]}
    assert list(files) == names and code == 2
    said = {name: file["notes"][0]["message"] for name, file in files.items() if file["notes"]}
    assert said == {
        "crash.md": "internal error, please report it: RuntimeError: out of cheese",
        "die.md": "the process that read it died",
        "hang.md": "the time limit of 0.5 s was reached",
        "binary.md": "no text: it is written in no encoding that is known here",
        "gone.md": "cannot be read: No such file or directory",
    }
    for name in ("false", "crash", "die", "hang"):  # what was found until then is kept
        assert [step["verdict"] for step in files[f"{name}.md"]["steps"]] == ["FALSE"]


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
def test_memory_is_bounded(call, stub, folder):
    (folder / "memory.md").write_text("memory")
    code, out, _ = call("check", "memory.md", "true.md")
    assert code == 2 and "memory.md: STOPPED it needs more memory than it may have" in out
    assert "1 true" in out


def test_large_files_are_not_read(call, stub, folder):
    code, out, _ = call("check", "--max-bytes", "20", "true.md")
    assert code == 2 and "true.md: STOPPED larger than 20 bytes (--max-bytes)" in out


@pytest.mark.parametrize("form", check.FORMATS)
def test_every_format_goes_to_a_file_too(call, stub, folder, form):
    code, out, _ = call("check", "--format", form, "-o", "report", "false.md")
    assert (code, out) == (1, "")
    text = (folder / "report").read_text()
    assert text == call("check", "--format", form, "false.md").out
    assert text.startswith(
        {
            "text": "false.md:3",
            "json": "{",
            "sarif": "{",
            "github": "::error ",
            "html": "<!DOCTYPE",
        }[form]
    )


def test_json_is_one_object_whatever_is_printed(call, stub, folder):
    one, two = call("check", "--json", "false.md"), call("check", "--format", "json", "false.md")
    assert one.out == two.out and json.loads(one.out)["schema_version"] == 1


def test_the_dialect_is_handed_on(call, stub, folder):
    found = json.loads(call("check", "--json", "--dialect", "latex", "true.md").out)
    assert found["files"][0]["steps"][0]["right"] == "latex"


def test_a_folder_tells_only_of_files_that_state_something(call, stub, folder):
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "a.md").write_text(FALSE)
    (folder / "sub").mkdir()
    (folder / "sub" / "b.tex").write_text(TRUE)
    (folder / "picture.png").write_bytes(b"\0")
    code, out, _ = call("check", ".")
    assert code == 1
    assert "VACUOUS" not in out and out.endswith("1 file states no equality\n")
    assert "checked 3 of 3 steps in 3 files" in out and "node_modules" not in out
    assert "VACUOUS" in call("check", "empty.md", "true.md").out


def test_warnings_count_under_strict(call, stub, folder):
    assert call("check", "--strict", "true.md").code == 0


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "name a file, a folder, or - for standard input"),
        (["a.md", "--json", "--format", "html"], "--json and --format html contradict each other"),
        (["a.md", "--select", "step-fals"], "no such rule; do you mean step-false or step-true?"),
        (["a.md", "--ignore", "qqq"], "no such rule; --explain lists them"),
        (["a.md", "-o", "no/such/folder/x"], "--output: the folder"),
        (["--explain", "qqq"], "--explain qqq: no such rule"),
        (["a.md", "--time-limit", "0"], "0 is not a positive number"),
        (["a.md", "--max-bytes", "many"], "invalid int value: 'many'"),
        (["a.md", "--dialect", "word"], "invalid choice"),
    ],
)
def test_bad_usage_is_2_and_says_why(call, stub, argv, says):
    code, out, err = call("check", *argv)
    assert (code, out) == (2, "") and says in err


def test_a_rule_is_explained(call, stub):
    assert call("check", "--explain", "step-false") == (
        0,
        "step-false: A false step\n\nIts sides differ somewhere.\n\nTwice.\n\n    $1 = 2$\n",
        "",
    )
    assert "step-true   A true step\n" in call("check", "--explain").out


def test_every_rule_has_a_title_an_explanation_and_an_example():
    for code, (title, explanation, example) in check._rules().items():
        assert code == code.lower() and title and explanation and example, code


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xef\xbb\xbfa", "a"), ("a = ŷ".encode("utf-16"), "a = ŷ"), (b"caf\xe9", "café"),
        (b"a\rb", "a\nb"), (b"a\r\nb", "a\r\nb"), (b"", ""), (b"a\0b", None), (b"\xff\xfea", None),
    ],
)  # fmt: skip
def test_encodings(tmp_path, content, text):
    (tmp_path / "a").write_bytes(content)
    found, why = _check_files.read(str(tmp_path / "a"), 100)
    assert (found, why is None) == (text or "", text is not None)


def test_files_are_found_once_and_in_order(folder):
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "a.md").touch()
    (folder / "z.txt").touch()
    found = _check_files.find(["true.md", ".", "*.md", "-", "true.md"])
    assert [s.path for s in found] == [
        "true.md", "./empty.md", "./false.md", "./true.md", "./z.txt", "empty.md", "false.md", "-"
    ]  # fmt: skip
    assert [s.path for s in found if s.named] == ["true.md", "-"]


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_colours_and_a_bar_on_a_terminal_only(on_terminal, folder):
    program = f"""
import sys
from softxent.cli import _check_pool, check, main
_check_pool.command = lambda module: [sys.executable, "-c", {STUB!r}]
sys.exit(main(sys.argv[1:]))
"""
    code, out = on_terminal("check", "false.md", "true.md", program=program)
    assert code == 1 and "\x1b[1;31mFALSE\x1b[0m" in out and "checking" in out
    code, out = on_terminal("check", "false.md", "true.md", program=program, NO_COLOR="1")
    assert code == 1 and "FALSE (step-false)" in out and "\x1b[1;31m" not in out


# From here on the checker itself.


@pytest.mark.parametrize(("text", "code"), [(TRUE, 0), (FALSE, 1), ("No formula.", 2)])
def test_standard_input_and_the_checker_itself(text, code):
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "softxent", "check", "-", "--json"],
        input=text,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    (file,) = json.loads(done.stdout)["files"]
    assert file["path"] == "-"
    if code < 2:
        last = file["steps"][-1]
        assert (last["line"], last["verdict"]) == (3, "TRUE" if code == 0 else "FALSE")


HOSTILE = {
    "deep": "$$x = " + "{" * 100_000 + "}" * 100_000 + "$$",
    "brackets": "$$x = " + "(" * 50_000 + "$$",
    "tower": "$$x = 9^{9^{9^{9^9}}}$$",
    "digits": "$$x = " + "9" * 100_000 + "$$",
    "sums": "$$x = " + "\\sum_k " * 2_000 + "k$$",
    "large": "$x = 1$ " * 1_300_000,
    "unbalanced": "$$x = \\frac{1}{2$$ }} {{ $$y = }$$",
    "script": "<script>$$a = b$$</script><script" * 1000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_in_time(spawn, tmp_path, name):
    path = tmp_path / "hostile.md"
    path.write_text(HOSTILE[name])
    begin = time.monotonic()
    done = spawn("-m", "softxent", "check", "--json", "--time-limit", "8", os.fspath(path))
    assert time.monotonic() - begin < 25
    assert done.code in (0, 1, 2) and "Traceback" not in done.err
    json.loads(done.out)
