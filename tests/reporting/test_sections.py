"""The parts of a report that are drawn in the page, and how the page looks on a phone, in light and in dark."""

import dataclasses
import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from kerasnas import genotypes
from kerasnas.datasets import Dataset
from kerasnas.modalities.images import Images
from kerasnas.records import Record
from kerasnas.reporting import sections
from kerasnas.reporting.charts import bar_chart, line_chart
from kerasnas.reporting.plots import plot_cell
from kerasnas.reporting.report import report_text
from kerasnas.reporting.tables import results_table
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.training.evidence import samples_record

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CLASSES = ("cat", "a class of a name that is long & has <signs>", "owl")


def dataset():
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 100, 80, 3)).astype("float32"), np.arange(40) % 3
    y[:20] = 0
    return Dataset("pets", x, y, x, y, CLASSES)


@pytest.fixture(scope="module")
def result():
    """The record of a race, with all that a report can show."""
    data = dataset()
    probabilities = np.random.default_rng(1).dirichlet(np.ones(3), 40)
    genotype = json.loads(genotypes.DARTS_V2.to_json())
    contestants = {
        f"network_{n}": {
            "kind": "reference",
            "genotype": genotype,
            "outcome": "winner" if n == 0 else "out",
            "parameters": 1000 * (n + 1),
            "macs": 10**6,
            "rungs": [
                {"accuracy": 0.5 + 0.01 * n + 0.1 * rung, "steps": 150 * 2**rung, "seconds": 9.0}
                for rung in range(3 - n // 4)
            ],
        }
        for n in range(10)
    }
    race = {
        "winner": "network_0",
        "rungs": [[10, 150]],
        "validation_samples": 100,
        "augment": ["flip"],
        "seconds": 60.0,
    }
    race |= {"kept": {"flip": 0.9}, "contestants": contestants, "comparison": []}
    searched = {"test_accuracy": 0.9, "test_loss": 0.3, "parameters": 7000, "macs": 10**6, "bytes": 639_172}
    searched |= {"latency_ms": 2.5, "seconds": 200.0, "spent": 290.0}
    searched["history"] = {"steps": [100, 200, 300], "loss": [2.0, 1.0, 0.7], "accuracy": [0.4, 0.6, 0.8]}
    return {
        "genotype": genotype,
        "searched": searched,
        "race": race,
        "dataset": {"name": "pets", "classes": list(CLASSES), "test_examples": 40, "input_shape": [100, 80, 3]},
        "samples": samples_record(data, CLASSIFICATION.mistakes(probabilities, data.y_test)),
        "settings": {"dataset": "a/long/path/without/any/space/" * 4},
    }


# What is shown ------------------------------------------------------------------------------------------
def test_worst_mistakes_are_wrong_and_sorted():
    probabilities, labels = np.random.default_rng(1).dirichlet(np.ones(3), 40), np.arange(40) % 3
    found = CLASSIFICATION.mistakes(probabilities, labels, 5)
    wrong = [i for i in range(40) if probabilities[i].argmax() != labels[i]]
    assert [one["index"] for one in found] == sorted(wrong, key=lambda i: -probabilities[i].max())[:5]
    assert all(one["label"] == labels[one["index"]] != one["taken_for"] for one in found)
    assert CLASSIFICATION.mistakes(np.eye(3), np.arange(3)) == []


def test_samples_are_counted_and_small(result):
    classes = result["samples"]["classes"]
    labels = dataset().y_train
    assert [(one["name"], one["train"]) for one in classes] == list(
        zip(CLASSES, np.bincount(labels).tolist(), strict=True)
    )
    assert all(1 <= len(one["images"]) <= 4 for one in classes)
    assert max(len(image) for one in classes for image in one["images"]) < 20_000
    thumbnail = Images().thumbnail
    assert thumbnail(np.zeros((128, 1))) is None and thumbnail(np.zeros((8, 8, 2))) is None


HOSTILE = "<script>a</script>&"


def test_classes_that_are_confused_are_a_matrix_or_the_worst_pairs(result, tmp_path):
    def page(classes, matrix):
        searched = {**result["searched"], "confusion": matrix}
        return report_text(tmp_path, Record({**result, "searched": searched, "dataset": {"classes": classes}}))

    text = page(["cat", HOSTILE], [[8, 2], [0, 0]])
    row = re.search(r'<h2>Confusion</h2>.*?<tr><th scope="row">cat</th>(.*?)</tr>', text, re.DOTALL)[1]
    assert re.findall(r'class="(\w+)" style="--share:([\d.]+)">(\d*)', row) == [
        *(("right", "0.800", "8"), ("wrong", "0.200", "2"))
    ]
    assert HOSTILE not in text and text.count(html.escape(HOSTILE)) >= 2
    many = np.diag(np.full(30, 9))
    many[3, 4], many[5, 6], many[7, 8] = 1, 3, 2
    text = page([f"{HOSTILE}{n}" for n in range(30)], many.tolist())
    table = text.partition("<h2>Confusion</h2>")[2].partition("</table>")[0]
    found = [html.unescape(cell) for cell in re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", table)][4:]
    pairs = [(5, 6, "3", "25.0 %"), (7, 8, "2", "18.2 %"), (3, 4, "1", "10.0 %")]
    assert found == [cell for i, j, *rest in pairs for cell in (f"{HOSTILE}{i}", f"{HOSTILE}{j}", *rest)]
    assert "Confusion" not in page(["cat"], [[3]])


def test_files_are_named_and_those_that_were_left_out_have_a_reason(tmp_path):
    data = dataclasses.replace(
        dataset(),
        files={part: [f"{HOSTILE}{part}{n}\udce9" for n in range(40)] for part in ("train", "test")},
        left_out={f"{HOSTILE}.txt": "not an image", **{f"{n}.png": "damaged" for n in range(300)}},
    )
    record = samples_record(data, [{"index": 7, "label": 0, "taken_for": 1}])
    genotype = json.loads(genotypes.DARTS_V2.to_json())
    text = report_text(tmp_path, Record({"genotype": genotype, "searched": {}, "samples": record}))
    text.encode()
    shown = html.unescape(text)
    assert HOSTILE not in text and f"<small>{HOSTILE}test7\\udce9</small>" in shown
    assert f'title="{HOSTILE}train0' in shown and shown.count('alt="') == 1 + sum(
        len(one["images"]) for one in record["classes"]
    )
    assert f'<th scope="row">{HOSTILE}.txt</th><td>not an image' in shown and "301 files in all" in shown
    assert "198.png" in text and "199.png" not in text


def test_report_shows_faults_of_the_data_first_and_the_table_of_the_data_does_not(result, tmp_path):
    fault = f"Copies: 3 of 9. {HOSTILE}"
    text = report_text(tmp_path, Record.of(result).replace(dataset={**result["dataset"], "faults": [fault]}))
    assert HOSTILE not in text and html.unescape(text).count(fault) == 1
    assert text.index("<h2>Faults of the data</h2>") < text.index("<h2>Worst mistakes</h2>")


def test_report_shows_mistakes_samples_and_times(result, tmp_path):
    text = report_text(tmp_path, Record.of(result))
    mistakes = result["samples"]["mistakes"]
    assert text.count("<img") == len(mistakes) + sum(len(one["images"]) for one in result["samples"]["classes"])
    for one in mistakes:
        assert one["image"] in text
    assert f", taken for {html.escape(CLASSES[1])} (" in text and CLASSES[1] not in text
    assert re.search(r"The largest class has \d\.\d times the smallest", text)
    assert "<h2>Time by phase</h2>" in text and "3 min 50 s" in text
    rows = dict(map(tuple, results_table(Record.of(result)).rows))
    assert (rows["MACs"], rows["size on disk"], rows["latency of one image"]) == ("1,000,000", "639 kB", "2.5 ms")
    for value in rows.values():
        assert f"<dd>{value}</dd>" in text


def test_what_is_no_png_is_not_shown():
    mistake = {"image": 'x" onerror="y', "label": "a", "taken_for": "b", "probability": 1.0}
    shown = sections.mistakes(Record({"searched": {}, "samples": {"mistakes": [mistake]}}))
    assert "<img" not in shown and "taken for b" in shown


# Charts --------------------------------------------------------------------------------------------------
def points(chart):
    return [[tuple(map(float, p.split(","))) for p in line.split()] for line in re.findall(r'points="([^"]*)"', chart)]


def test_curves_stand_where_their_values_are():
    (line,) = points(line_chart({"loss": [(0, 2.0), (5, 1.0), (10, float("nan")), (10, 0.0)]}, "loss", "epoch"))
    (x0, y0), (x1, y1), (x2, y2) = line
    assert x0 < x1 < x2 and x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
    assert y0 < y1 < y2 and y1 == pytest.approx((y0 + y2) / 2, abs=0.1)  # downwards on the screen
    assert line_chart({"loss": [(1, float("nan"))]}, "loss", "epoch") == "" and bar_chart([]) == ""
    (lone,) = points(line_chart({"loss": [(3, 1.0)]}, "loss", "epoch"))
    assert len(lone) == 1


def test_letters_of_a_chart_are_large_enough_and_nothing_is_fixed(result, tmp_path):
    text = report_text(tmp_path, Record.of(result))
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert int(re.search(r"\.chart text \{ font: (\d+)px", style)[1]) * 358 / 340 >= 10
    assert all(float(width) <= 340 for width in re.findall(r"viewBox=\"0 0 (\d+)", text))
    for width, unit in re.findall(r"(?:min-)?width: ([\d.]+)(px|rem)", style.replace("max-width", "")):
        assert float(width) * (16 if unit == "rem" else 1) <= 390
    assert style.count("prefers-color-scheme: dark") == 3
    assert "dark) { figure img { filter: invert(" in style  # plots are white
    for chart in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        assert "#" not in chart  # colors are the page's: those of the light or of the dark one


# In a browser --------------------------------------------------------------------------------------------
_MEASURE = """
const frame = document.querySelector("iframe"), page = frame.contentDocument, view = frame.contentWindow;
const wide = [...page.querySelectorAll("body *")].filter(one => !one.closest(".scroll, .wide")
  && one.getBoundingClientRect().right > view.innerWidth + 0.5).map(one => one.outerHTML.slice(0, 80));
const letters = [...page.querySelectorAll("svg text")].map(one =>
  parseFloat(view.getComputedStyle(one).fontSize) * one.getScreenCTM().a);
const boxes = [...page.querySelectorAll("svg")].map(svg => [...svg.querySelectorAll("text")].map(
  one => one.getBoundingClientRect()));
const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
const overlaps = boxes.map(own => own.filter((a, i) => own.some((b, j) => j > i && meet(a, b))).length);
document.body.innerText = JSON.stringify({
  width: view.innerWidth, scroll: page.documentElement.scrollWidth, wide, smallest: Math.min(...letters),
  letters: letters.length, overlaps: overlaps.reduce((a, b) => a + b, 0),
  images: [...page.images].every(one => one.complete && one.naturalWidth),
  plots: Math.min(...[...page.querySelectorAll(".wide img")].map(one => one.width / one.naturalWidth)),
  background: view.getComputedStyle(page.body).backgroundColor,
  ink: view.getComputedStyle(page.querySelector("svg text")).fill });
"""


@pytest.mark.skipif(CHROMIUM is None, reason="There is no Chromium here.")
@pytest.mark.parametrize(("scheme", "width"), [("dark", 390), pytest.param("light", 1280, marks=pytest.mark.slow)])
def test_layout_in_a_browser(result, width, scheme, tmp_path):
    plot_cell(genotypes.DARTS_V2, "normal", tmp_path / "cell_normal.png")
    text = report_text(tmp_path, Record.of(result))
    frame = f'<iframe width="{width}" height="900" style="border:0" srcdoc="{html.escape(text)}"></iframe>'
    (tmp_path / "frame.html").write_text(
        f'<!DOCTYPE html><meta charset="utf-8">{frame}<script>onload = () => {{ {_MEASURE} }}</script>',
        encoding="utf-8",
    )
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += [f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}", "--virtual-time-budget=5000"]
    command += ["--dump-dom", (tmp_path / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(html.unescape(re.search(r"<body>(\{.*\})", done.stdout, re.DOTALL)[1]))
    assert found["width"] == width and found["scroll"] <= width and found["wide"] == []
    assert found["letters"] > 20 and found["smallest"] >= 10 and found["overlaps"] == 0
    assert found["images"] and found["plots"] > 0.6
    light = scheme == "light"
    assert found["background"] == ("rgb(255, 255, 255)" if light else "rgb(13, 17, 23)")
    assert found["ink"] == ("rgb(87, 96, 106)" if light else "rgb(154, 164, 175)")
