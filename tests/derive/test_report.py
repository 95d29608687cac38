"""Reports in every format, from reports made by hand."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from softxent.derive.report import (
    Choice,
    as_github,
    as_html,
    as_json,
    as_sarif,
    as_text,
    coverage,
    exit_code,
    level,
)
from softxent.derive.verdicts import Note, Report, Step, Verdict, Witness

TEXT = """# Softmax

$$y_k = \\frac{e^{z_k}}{Z}$$

$$\\sum_k y_k = 2$$ and <b>
$$
\\begin{aligned}
 a &= b \\\\
   &= c
\\end{aligned}
$$
"""


def step(verdict, sign, start, end, **fields):
    """A step whose sign is the first `sign` behind `start` in TEXT."""
    start = TEXT.index(start)
    place = TEXT.index(sign, start)
    end = TEXT.index(end, place) + len(end)
    line = TEXT.count("\n", 0, place) + 1
    column = place - TEXT.rfind("\n", 0, place)
    left, right = TEXT[start:place].strip(" &"), TEXT[place + 1 : end].strip()
    values = {"rule": "step-true", "message": "holds", "display": True} | fields
    return Step("post.md", line, column, start, end, left=left, right=right, left_tree=None,
                right_tree=None, verdict=verdict, **values)  # fmt: skip


DEFINITION = step(Verdict.DEFINITION, "=", "y_k = ", "{Z}", rule="definition", message="defines y")
FALSE = step(
    Verdict.FALSE, "=", "\\sum_k", "2", rule="step-false", message="the two sides differ",
    witness=Witness(3, {"e^z": "(1, 2, 3)", "i": "1"}, "1", "2"), repair="\\sum_k y_k = 1",
)  # fmt: skip
TRUE_IF = step(
    Verdict.TRUE_IF,
    "=",
    "a &",
    " b",
    rule="assumption",
    message="true if one-hot",
    assumption="one-hot",
)
UNSUPPORTED = step(Verdict.UNSUPPORTED, "=", "b \\", " c", rule="unsupported", message="\\foo")
NOTE = Note(6, "two-sizes", "K and n are the same size")
REPORT = Report("post.md", TEXT, (DEFINITION, FALSE, TRUE_IF, UNSUPPORTED), (NOTE,))
TRUE = replace(REPORT, steps=(DEFINITION,), notes=())
EMPTY = Report("empty.md", "Nothing.", ())
STOPPED = Report("big.md", "", (), stopped="larger than 9 bytes")


def test_the_text_shows_the_step_with_a_caret_the_witness_and_the_repair():
    assert as_text([REPORT], Choice()) == (
        "post.md:5:14: FALSE (step-false)\n"
        "    \\sum_k y_k = 2\n"
        "               ^\n"
        "  the two sides differ\n"
        "  at K = 3, e^z = (1, 2, 3), i = 1: left 1, right 2\n"
        "  repair: \\sum_k y_k = 1\n"
        "post.md:8:5: TRUE-IF (assumption)\n"
        "    a &= b\n"
        "       ^\n"
        "  true if one-hot\n"
        "post.md:9:5: UNSUPPORTED (unsupported)\n"
        "  \\foo\n"
        "post.md:6: note (two-sizes) K and n are the same size\n"
        "\n"
        "checked 3 of 4 steps: 1 true under an assumption, 1 definition, 1 false, 1 unsupported\n"
    )


def test_what_holds_is_listed_if_asked_for():
    assert "post.md:3:7: DEFINITION (definition)" in as_text([REPORT], Choice(), everything=True)
    assert "DEFINITION" not in as_text([REPORT], Choice())


def test_colours_only_where_they_are_welcome():
    def style(text, *styles):
        return f"<{'+'.join(styles)}>{text}</>"

    text = as_text([REPORT], Choice(), style=style)
    assert "<bold+red>FALSE</>" in text and "<bold+red>^</>" in text
    assert re.sub(r"<[a-z+]*>|</>", "", text) == re.sub(
        r"<[a-z+]*>|</>", "", as_text([REPORT], Choice())
    )


@pytest.mark.parametrize(
    ("written", "shown", "under"),
    [
        ("a" * 200 + " = b", None, "="),
        ("b = " + "a" * 200, None, "="),
        ("中文 y = b", "中文 y = b", "="),
        ("\tŷ̂ = b", None, "="),
        ("a\x1b[31m = b", "a [31m = b", "="),
        ("x\r", "x", "x"),
    ],
)
def test_a_long_or_odd_line_is_shown_around_its_sign(written, shown, under):
    place = written.index(under)
    one = replace(FALSE, line=1, column=place + 1, start=0, end=len(written))
    lines = as_text([replace(REPORT, text=written, steps=(one,), notes=())], Choice()).split("\n")
    line, caret = lines[1][4:], lines[2][4:]
    assert len(line) <= 94 and caret.strip() == "^" and "\x1b" not in line and "\r" not in line
    columns = []
    for character in line:
        width = 2 if "\u4e00" <= character <= "\u9fff" else 0 if character == "\u0302" else 1
        columns += [character] * width
    assert columns[caret.index("^")] == under
    assert shown is None or line == shown


def test_a_step_over_several_lines_shows_those_around_its_sign():
    written = "\n".join(f"line {n} x" for n in range(9)).replace("line 4", "line =")
    start, place = written.index("line 1"), written.index("=")
    one = replace(FALSE, line=5, column=6, start=start, end=len(written))
    assert written.split("\n")[4][5] == "=" and place
    text = as_text([replace(REPORT, text=written, steps=(one,), notes=())], Choice())
    assert (
        "    line 2 x\n    line 3 x\n    line = x\n         ^\n    line 5 x\n    line 6 x\n" in text
    )
    assert "line 7" not in text


KEYS = {"line", "column", "display", "left", "right", "verdict", "assumption", "declared_line",
        "witness", "repair", "rule"}  # fmt: skip


def test_the_json_object_has_the_shape_that_is_promised():
    found = json.loads(as_json([REPORT, EMPTY, STOPPED], Choice()))
    assert list(found) == ["schema_version", "files"] and found["schema_version"] == 1
    assert [f["path"] for f in found["files"]] == ["post.md", "empty.md", "big.md"]
    for file in found["files"]:
        assert set(file) == {"path", "steps", "notes", "coverage"}
        assert set(file["coverage"]) == {"checked", "total"}
        for one in file["steps"]:
            assert set(one) == KEYS
            assert isinstance(one["rule"], str) and isinstance(one["display"], bool)
            assert one["verdict"] in {verdict.value for verdict in Verdict}
        for note in file["notes"]:
            assert set(note) == {"line", "rule", "message"}
    first = found["files"][0]
    assert first["coverage"] == {"checked": 3, "total": 4}
    assert first["steps"][1] == {
        "line": 5, "column": 14, "display": True, "left": "\\sum_k y_k", "right": "2",
        "verdict": "FALSE", "assumption": None, "declared_line": None,
        "witness": {"k": 3, "values": {"e^z": "(1, 2, 3)", "i": "1"}, "left": "1", "right": "2"},
        "repair": "\\sum_k y_k = 1", "rule": "step-false",
    }  # fmt: skip
    assert found["files"][1]["notes"][0]["rule"] == "vacuous"
    assert found["files"][2]["notes"][0] == {
        "line": 1, "rule": "stopped", "message": "larger than 9 bytes"
    }  # fmt: skip


def test_sarif_has_the_shape_of_version_2_1_0():
    rules = {"step-false": ("A false step", "Its sides differ.", "$1 = 2$")}
    log = json.loads(as_sarif([REPORT, STOPPED], Choice(), version="1.2", rules=rules))
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("softxent check", "1.2")
    ids = [rule["id"] for rule in driver["rules"]]
    assert ids == sorted(set(ids))
    assert driver["rules"][ids.index("step-false")]["shortDescription"]["text"] == "A false step"
    assert [r["level"] for r in run["results"]] == ["error", "warning", "note", "note"]
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"] and result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "post.md"
        assert place["region"]["startLine"] >= 1
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["startColumn"]) == (5, 14)
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["invocations"][0]["executionSuccessful"] is False
    (said,) = run["invocations"][0]["toolExecutionNotifications"]
    assert said["message"]["text"] == "larger than 9 bytes"


@pytest.mark.parametrize(
    ("path", "uri"), [("a b/ü.md", "a%20b/%C3%BC.md"), ("-", "stdin"), ("/a b", "file:///a%20b")]
)
def test_sarif_names_files_as_addresses(path, uri):
    log = json.loads(as_sarif([replace(REPORT, path=path)], Choice(), version="1"))
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == uri


def test_what_follows_and_says_the_same_is_told_once():
    unread = replace(DEFINITION, verdict=Verdict.UNSUPPORTED, rule="unsupported", message="no")
    steps = [replace(unread, line=line) for line in (3, 5, 8)] + [replace(FALSE, line=9)] * 2
    text = as_text([replace(REPORT, steps=(*steps, unread))], Choice())
    assert text.count("UNSUPPORTED") == 2 and "  no\n  the same in lines 5, 8\n" in text
    assert text.count("FALSE (step-false)") == 2
    everything = as_text([replace(REPORT, steps=tuple(steps))], Choice(), everything=True)
    assert everything.count("UNSUPPORTED") == 3


def test_a_github_message_cannot_begin_another_command():
    odd = replace(FALSE, message="a\r\n::error::b, 100%: c", repair="x\n::warning::y")
    (line, _) = as_github([replace(REPORT, steps=(odd,), notes=())], Choice()).strip().split("\n")
    assert line.startswith("::error file=post.md,") and "A%0D%0A::error::b, 100%25: c" in line
    assert "\r" not in line and "x%0A::warning::y" in line


def test_github_annotations():
    odd = replace(REPORT, path="a,b:c.md", notes=(Note(1, "n", "100 %\nnext"),))
    lines = as_github([odd, STOPPED, EMPTY], Choice()).split("\n")
    assert lines[0].startswith(
        "::error file=a%2Cb%3Ac.md,line=5,col=14,title=FALSE (step-false)::The two sides differ. "
    )
    assert lines[1].startswith("::warning ") and lines[2].startswith("::notice ")
    assert lines[3].endswith("::100 %25%0Anext")
    assert lines[4] == "::error file=big.md,line=1,col=1,title=stopped::larger than 9 bytes"
    assert lines[5].startswith("::warning file=empty.md")
    assert lines[6] == "checked 3 of 4 steps"
    assert as_github([REPORT], Choice(strict=True)).count("::error ") == 2


def test_the_page_needs_nothing_and_escapes_everything():
    hostile = replace(FALSE, left="<script>alert(1)</script>", message='"><img src=x>')
    page = as_html([replace(REPORT, steps=(DEFINITION, hostile, TRUE_IF))], Choice(), version="<1>")

    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.tags, self.open = [], []

        def handle_starttag(self, tag, attributes):
            self.tags.append(tag)
            assert not {"src", "href", "onload", "style"} & {name for name, _ in attributes}
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    reader = Reader()
    reader.feed(page)
    assert not reader.open and not {"script", "img", "link", "iframe"} & set(reader.tags)
    assert "http" not in page and "&lt;script&gt;" in page
    assert [*re.findall(r'<li class="(\w+)">', page)] == ["fine", "error", "warning", "note"]
    assert page.index("frac{e^{z_k}}") < page.index("left 1, right 2") < page.index("one-hot")
    assert "VACUOUS" in as_html([EMPTY], Choice(), version="1")
    assert "larger than 9 bytes" in as_html([STOPPED], Choice(), version="1")


@pytest.mark.parametrize(
    ("reports", "choice", "code"),
    [
        ([TRUE], Choice(), 0),
        ([REPORT], Choice(), 1),
        ([TRUE, REPORT], Choice(), 1),
        ([REPORT], Choice(ignore=("step-false",)), 0),
        ([REPORT], Choice(ignore=("step-*",), strict=True), 1),
        ([REPORT], Choice(select=("unsupported",)), 0),
        ([EMPTY], Choice(), 2),
        ([TRUE, EMPTY], Choice(), 0),
        ([STOPPED, REPORT], Choice(), 2),
        ([replace(REPORT, steps=(UNSUPPORTED,))], Choice(), 2),
        ([], Choice(), 2),
    ],
)
def test_exit_codes(reports, choice, code):
    assert exit_code(reports, choice) == code


def test_nothing_stated_is_fine_if_that_is_allowed():
    assert exit_code([EMPTY], Choice(), empty_is_fine=True) == 0
    unread = replace(REPORT, steps=(UNSUPPORTED,))
    assert exit_code([unread], Choice(), empty_is_fine=True) == 2
    assert exit_code([STOPPED], Choice(), empty_is_fine=True) == 2


LEVELS = {
    Verdict.TRUE: "fine", Verdict.DEFINITION: "fine", Verdict.TRUE_IF: "warning",
    Verdict.FALSE: "error", Verdict.ILL_TYPED: "error", Verdict.UNBOUND: "error",
    Verdict.REASON_FALSE: "error", Verdict.AMBIGUOUS: "warning", Verdict.OPAQUE: "note",
    Verdict.UNSUPPORTED: "note",
}  # fmt: skip


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.VACUOUS], ids=str)
def test_every_verdict_has_a_level_and_counts_in_the_summary(verdict):
    one = replace(FALSE, verdict=verdict)
    assert level(one) == LEVELS[verdict]
    summary = as_text([replace(REPORT, steps=(one, one), notes=())], Choice()).split("\n")[-2]
    assert re.search(r"of 2 steps: 2 [a-z]", summary)


def test_a_declared_assumption_is_fine():
    assert level(replace(TRUE_IF, declared_line=2)) == "fine"


def test_what_is_ignored_is_not_told_but_counts_as_checked():
    choice = Choice(ignore=("step-false", "two-*"))
    pages = (as_sarif([REPORT], choice, version="1"), as_html([REPORT], choice, version="1"))
    for text in (*(form([REPORT], choice) for form in (as_text, as_json, as_github)), *pages):
        assert "step-false" not in text and "two-sizes" not in text
    assert json.loads(as_json([REPORT], choice))["files"][0]["coverage"]["total"] == 4
    assert coverage([REPORT]) == "checked 3 of 4 steps"
