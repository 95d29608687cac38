"""The report: one sound HTML file that loads nothing, with the numbers it was given."""

from __future__ import annotations

import dataclasses
import re
from datetime import datetime
from importlib import resources

import numpy as np
import pytest
from html_page import (
    Page,
    assert_loads_nothing,
    assert_reads_out,
    assert_references_lead_somewhere,
)

from softxent.cli import _digits, _minibatch, _moons, report
from softxent.cli._checks import Check
from softxent.cli.report import drawing, plots, tables

NOW = datetime(2026, 2, 3, 4, 5)
SECTIONS = (
    "formula batch learning errors weights gradient moons accuracy speed head checks machine"
).split()
HEAD = {
    "n": 1024,
    "d": 256,
    "v": 131_072,
    "dtype": "float32",
    "max_memory_mib": 64.0,
    "logits_mib": 512.0,
    "rounds": 3,
    "products": "native",
    "seconds": 1.2345,
    "peak_mib": 68.4,
    "full_seconds": 1.4567,
    "full_peak_mib": 519.2,
    "loss_apart": 0.0,
    "gradients_apart": 1.5e-6,
    "skipped": None,
}
EVIL = '<script>alert("1")</script> & co'


def error(op, dtype, who, value, bar=None):
    return {"op": op, "dtype": dtype, "who": who, "max_ulp": value, "median_ulp": 0.1, "bar": bar}


ACCURACY = {
    "rows": [
        error("softmax", "float32", "softxent", 1.764, 6.0),
        error("softmax", "float32", "scipy", 60.21),
        error("gradient", "float32", "softxent", 0.9876, 6.0),
        error("gradient", "float32", "scipy", 8_388_607.6),
        error("hvp", "float32", "softxent", 0.31, 6.0),
        error("loss", "bfloat16", "softxent", 0.5, 4.0),
        error("loss", "float64", "scipy", float("inf")),
    ],
    "confident": [
        {"who": "softxent", "dtype": "float32", "rows": 1000, "zero_loss": 0, "zero_gradient": 0},
        {"who": "scipy", "dtype": "float32", "rows": 1000, "zero_loss": 771, "zero_gradient": 769},
    ],
}


def timing(op, shape, peer, ours, theirs):
    both = {"ours_ms": ours, "peer_ms": theirs, "ratio": theirs / ours}
    return {"op": op, "shape": shape, "dtype": "float32", "peer": peer, **both}


SPEED = {
    "rows": [
        timing("out", [8192, 1000], "scipy", 3.217, 32.17),
        timing("out", [8192, 1000], "np.copyto", 3.217, 2.5),
        timing("small", [8, 10], "scipy", 0.0107, 0.0412),
    ],
    "skipped": [{"peer": "scipy", "shape": [64, 131_072], "reason": f"too slow {EVIL}"}],
}


@pytest.fixture(scope="module")
def findings():
    data = _digits.load()
    batch = _minibatch.make(data)
    return report.Findings(
        version="1.2.3",
        kernels="native kernels",
        batch=batch,
        result=_digits.run(data, lambda loss, norm: None),
        moons=_moons.run(),
        head=HEAD,
        peers={"scipy": f"SciPy {EVIL}"},
        missing={"jax": f"not installed {EVIL}; pip install jax"},
        accuracy=ACCURACY,
        speed=SPEED,
        checks=[Check("good", 1e-9, 1e-8), Check(f"bad {EVIL}", 7.0, 6.0, "ULP")],
        machine={"cpu": f"2 cores {EVIL}", "date": "2026-02-03"},
        seconds=33.3,
    )


@pytest.fixture(scope="module")
def source(findings):
    return report.render(findings, NOW)


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


# One file that is sound and loads nothing -------------------------------------------------------


def test_it_is_one_sound_document(source, page):
    assert source.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert [page.tags.count(tag) for tag in ("html", "head", "title", "h1", "main")] == [1] * 5
    assert len(page.ids) == len(set(page.ids))


def test_every_section_is_there_once_and_linked(page):
    assert page.tags.count("section") == len(page.headings) == len(SECTIONS)
    assert set(SECTIONS) <= set(page.ids)
    links = [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    assert links == [f"#{name}" for name in SECTIONS]
    labelled = [value for _, name, value in page.attributes if name == "aria-labelledby"]
    assert labelled == SECTIONS


def test_it_loads_nothing(source, page):
    assert_loads_nothing(source, page)


def test_every_reference_inside_the_page_leads_somewhere(page):
    assert_references_lead_somewhere(page)


def test_what_it_is_told_is_text_and_never_markup(source, page):
    assert "<script" not in source
    told = "".join(page.text)
    assert told.count(EVIL) >= 5  # machine, peer, missing, skipped, check
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert any(EVIL in label for label in labels)


def test_it_reads_out(page):
    assert page.tags.count("svg") >= 8
    assert_reads_out(page)


def test_colours_follow_the_page(source):
    style = source.partition("<style>")[2].partition("</style>")[0]
    assert "prefers-color-scheme: dark" in style and "@media print" in style
    pictures = "".join(re.findall(r"<svg.*?</svg>", source, re.S))
    assert not re.search(r"#[0-9a-f]{6}\b", pictures)  # no stand-in is left, nor any other
    used = set(re.findall(r"var\(--([a-z]+)\)", pictures))
    known = {"ink", "muted", "rule", "paper", "blue", "orange", "font"}
    assert known >= used >= {"blue", "orange", "rule"}
    assert all(f"--{name}:" in style for name in used)
    assert "DejaVu" not in pictures


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(source, theme):
    """WCAG AA: text at least 4.5 : 1 on the page, in both themes."""
    blocks = re.findall(r":root \{(.*?)\}", source, re.S)
    colours = dict(re.findall(r"--([a-z]+): #([0-9a-f]{6})", blocks[0 if theme == "light" else 1]))

    def luminance(name):
        parts = (int(colours[name][i : i + 2], 16) / 255 for i in (0, 2, 4))
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    for ground in ("paper", "soft"):
        for text in ("ink", "muted", "blue", "orange"):
            light, dark = sorted((luminance(text), luminance(ground)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


# The numbers ------------------------------------------------------------------------------------


def test_the_mini_batch(page, findings):
    for n, target in enumerate(findings.batch.target):
        y_t = [f"{x:.3f}".replace("-", "−") for x in findings.batch.gradient[n]]
        assert ["y − t", *y_t] in page.rows
        assert y_t[target].startswith("−")
    assert f"Mean loss {findings.batch.mean_loss:.6f}" in "".join(page.text)


def test_training_and_confusion(page, findings):
    result = findings.result
    objective = [f"{result.loss:.12f}", f"{result.sklearn_loss:.12f}"]
    assert ["objective at the optimum", *objective] in page.rows
    assert ["iterations", str(result.iterations), str(result.sklearn_iterations)] in page.rows
    for digit, counts in enumerate(result.learned.confusion.tolist()):
        assert [str(digit), *map(str, counts)] in page.rows


def test_moons(page, findings):
    moons = findings.moons
    text = re.sub(r"\s+", " ", "".join(page.text))
    assert f"It gets {100 * moons.accuracy:.2f} % of 1,000 right" in text
    assert f"{moons.model.n_iter_} iterations" in text and f"{moons.seconds:.2f} s" in text
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    wrong = int(np.sum(moons.predicted != moons.test_t))
    assert any("1000 rows" in label and f"; {wrong} wrong" in label for label in labels)


def test_accuracy(page):
    assert ["softmax", "≤ 6", "1.76", "60.2"] in page.rows
    assert ["gradient", "≤ 6", "0.99", "8.4 · 10⁶"] in page.rows
    assert ["loss", "≤ 4", "0.50", "–"] in page.rows  # SciPy has no bfloat16
    assert ["loss", "", "–", "∞"] in page.rows
    assert not any(row[0] == "hvp" for row in page.rows if row)
    assert ["softxent", "float32", "1,000", "0", "0"] in page.rows
    assert [f"SciPy {EVIL}", "float32", "1,000", "771", "769"] in page.rows


def test_speed(page):
    assert ["8,192 × 1,000", "3.22", "32.210×"] in page.rows
    assert ["8 × 10", "0.0107", "0.04123.9×"] in page.rows
    text = "".join(page.text)
    assert f"64 × 131,072: too slow {EVIL}" in text
    assert f"jax: not installed {EVIL}; pip install jax" in text


def test_head(page):
    text = "".join(page.text)
    assert "A head of 131,072 classes" in text and "1,024 rows" in text
    assert all(number in text for number in ("1.23", "1.46", "68", "519", "1.5e-06", "7.6×"))
    assert "Median of 3 runs" in text


def test_checks_machine_and_date(page):
    assert ["good", "1.0e-09", "≤ 1e-08", "✓ passed"] in page.rows
    assert [f"bad {EVIL}", "7.00 ULP", "≤ 6 ULP", "✗ fell short"] in page.rows
    text = "".join(page.text)
    assert "1 of 2" in text and f"2 cores {EVIL}" in text
    assert "2026-02-03 at 04:05" in text and "softxent 1.2.3" in text


def test_the_same_findings_make_the_same_page(source, findings):
    assert report.render(findings, NOW) == source


# What is missing --------------------------------------------------------------------------------


def test_a_head_that_was_not_measured_is_told(findings):
    nothing = dict.fromkeys(
        ("seconds", "peak_mib", "full_seconds", "full_peak_mib", "loss_apart", "gradients_apart")
    )
    part = dataclasses.replace(findings, head=HEAD | nothing | {"skipped": "no room"})
    text = "".join(Page(report.render(part, NOW)).text)
    assert "Not all was measured: no room." in text
    part = dataclasses.replace(
        findings, head=HEAD | nothing | {"skipped": "no room", "seconds": 1.5, "peak_mib": 70.0}
    )
    assert "Fused: 1.50 s, 70.0 MiB" in "".join(Page(report.render(part, NOW)).text)


def test_no_peer_at_all(findings):
    part = dataclasses.replace(
        findings,
        peers={},
        missing={},
        accuracy={"rows": ACCURACY["rows"][:1], "confident": []},
        speed={"rows": [], "skipped": []},
    )
    page = Page(report.render(part, NOW))
    assert ["softmax", "≤ 6", "1.76"] in page.rows
    assert "Not measured." in "".join(page.text)


# Plots and tables -------------------------------------------------------------------------------


def test_zero_is_transparent_and_the_sign_is_the_colour():
    rgba = drawing.signed(np.array([0.0, 0.25, -1.0, 7.0]))
    assert rgba[:, 3].tolist() == [0.0, 0.25, 1.0, 1.0]
    assert tuple(rgba[1, :3]) == drawing.POSITIVE and tuple(rgba[2, :3]) == drawing.NEGATIVE


def test_somebodys_settings_of_matplotlib_change_nothing():
    import matplotlib

    def picture():
        with drawing.styled():
            return plots.head_bars((1.0, 2.0), (3.0, 4.0), "bars")

    plain = picture()
    with matplotlib.rc_context({"svg.fonttype": "path", "font.size": 30, "axes.facecolor": "red"}):
        assert picture() == plain


def test_a_curve_that_ends_at_its_start_is_drawn():
    with drawing.styled():
        svg = plots.loss_curve(np.array([1.0]), np.array([0.0]), "nothing to see")
    assert "iteration" in svg


def test_ratios_are_those_of_out_by_title():
    titles = {"scipy": "SciPy"}
    assert tables.ratios(SPEED["rows"], titles) == [("SciPy", [pytest.approx(10.0)])]


def test_templates_and_style_are_part_of_the_package():
    for name in ("demo.html.j2", "classifier.html.j2", "style.css"):
        assert resources.files("softxent.cli.report").joinpath(name).is_file()
