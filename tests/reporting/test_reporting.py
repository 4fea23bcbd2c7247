"""Reporting: where the labels of a cell lie, what the files hold, and what the verdict says."""

import ast
import csv
import io
import json
import os
import random
import re
import struct
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from kerasnas import genotypes, reporting
from kerasnas.files import storage
from kerasnas.genotypes import Genotype
from kerasnas.records import Record
from kerasnas.reporting.card import card_text
from kerasnas.reporting.cell_layout import layout_cell
from kerasnas.reporting.comparisons import verdict
from kerasnas.reporting.plots import cell_figure, plot_alphas, plot_cell
from kerasnas.reporting.predictions import predictions_text, samples_csv
from kerasnas.reporting.report import report_text
from kerasnas.reporting.tables import dataset_table, usage
from kerasnas.runs.record import write_pages
from kerasnas.tasks.known import CLASSIFICATION

PRIMITIVES = [
    *("none", "skip_connect", "max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3"),
    *("dil_conv_5x5", "factorized_reduce"),
]
EDGES = [(source, target) for target in range(2, 6) for source in range(target)]


def random_genotype(seed: int) -> Genotype:
    """1 to 7 nodes with 1 to 3 edges each; edges between the same two nodes are frequent."""
    draw = random.Random(seed)
    nodes = range(2, 2 + 1 + seed % 7)
    edges = [
        (draw.choice(PRIMITIVES), draw.randrange(node), node)
        for node in nodes
        for _ in range(draw.choice([1, 2, 2, 3]))
    ]
    return Genotype("toy", {"normal": edges})


CELLS = [
    pytest.param(getattr(genotypes, name), kind, id=f"{name}-{kind}")
    for name in ("DARTS_V1", "DARTS_V2", "PC_DARTS_CIFAR")
    for kind in ("normal", "reduce")
]
CELLS += [pytest.param(random_genotype(seed), "normal", id=f"random-{seed}") for seed in range(7)]
CELLS += [
    pytest.param(Genotype("toy", {"normal": [("skip_connect", 0, 2)] * 4}), "normal", id="parallel"),
    pytest.param(Genotype("toy", {"normal": [("max_pool_3x3", n - 1, n) for n in range(2, 9)]}), "normal", id="chain"),
    pytest.param(
        Genotype("toy", {"normal": [("dil_conv_5x5", s, t) for t in range(2, 9) for s in range(t)]}),
        "normal",
        id="complete",
    ),
    pytest.param(
        Genotype("toy", {"normal": [("nor_conv_3x3", s, t) for t in range(1, 4) for s in range(t)]}),
        "normal",
        id="one-input",
    ),
]


def make_result(accuracy: float = 0.93, others=(0.90, 0.91, 0.92), genotype: Genotype = genotypes.DARTS_V2, **changes):
    history = {
        "loss": [2.0, 1.0, 0.5],
        "val_loss": [2.1, 1.2, 0.8],
        "accuracy": [0.3, 0.6, 0.8],
        "val_accuracy": [0.25, 0.5, 0.7],
        "alpha_entropy": [2.07, 1.9, 1.5],
    }
    record = json.loads(genotype.to_json())
    result = {
        "kerasnas_version": "0.1.0",
        "command": "kerasnas search --dataset=digits --seed=3",
        "dataset": {
            "name": "digits",
            "train_examples": 60000,
            "test_examples": 10000,
            "classes": ["zero", "one"],
            "input_shape": [28, 28, 1],
        },
        "settings": {"epochs": 3, "seed": 3, "learning_rate": 0.025},
        "genotype": record,
        "search": {"seconds": 125.0, "history": history, "parameters": 193321},
        "searched": {
            "test_accuracy": accuracy,
            "test_loss": 0.2345,
            "parameters": 54321,
            "seconds": 61.5,
            "history": history,
        },
        "random": [
            {"test_accuracy": value, "test_loss": 0.4, "parameters": 50000, "seconds": 60.0, "genotype": record}
            for value in others
        ],
        "environment": {
            "python": "3.11.9",
            "tensorflow": "2.21.0",
            "keras": "3.15.0",
            "platform": "Linux",
            "cpu_count": 2,
            "peak_memory_gib": 1.875,
        },
    }
    return {**result, **changes}


def minimal_result() -> dict:
    return {"genotype": json.loads(genotypes.DARTS_V2.to_json()), "searched": {}}


def png_size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n") and data.endswith(b"IEND\xaeB`\x82")
    return struct.unpack(">II", data[16:24])


# The layout of a cell ---------------------------------------------------------------------------
def bezier(start, left, level, count=40):
    """Points of the curve that `cell_figure` draws between two level stretches."""
    (x0, y0), middle = start, (start[0] + left) / 2
    t = np.linspace(0, 1, count)[:, None]
    corners = np.array([(x0, y0), (middle, y0), (middle, level), (left, level)])
    return (
        (1 - t) ** 3 * corners[0]
        + 3 * (1 - t) ** 2 * t * corners[1]
        + 3 * (1 - t) * t**2 * corners[2]
        + (t**3 * corners[3])
    )


@pytest.mark.parametrize(("genotype", "kind"), CELLS)
def test_nothing_covers_a_label_and_arrows_run_between_their_nodes_alone(genotype, kind):
    layout = layout_cell(genotype, kind)
    assert [label.text for label in layout.labels] == [edge.primitive for edge in genotype[kind]]
    boxes = [*layout.labels, *layout.nodes.values(), layout.output]
    for i, box in enumerate(boxes):
        assert box.left >= 0 and box.right <= layout.width and box.top >= 0 and box.bottom <= layout.height
        for other in boxes[i + 1 :]:
            across = box.left < other.right and other.left < box.right
            assert not (across and box.top < other.bottom and other.top < box.bottom), (box, other)
    inside = 1e-6
    for wire in layout.wires:
        place, traced = wire.start, []
        for left, right, level in [*wire.levels, (wire.end[0], wire.end[0], wire.end[1])]:
            traced += [*bezier(place, left, level), *np.linspace((left, level), (right, level), 20)]
            place = (right, level)
        x, y = np.array(traced).T
        for box in boxes:
            if box == wire.label:
                continue
            hit = (x > box.left + inside) & (x < box.right - inside) & (y > box.top) & (y < box.bottom)
            assert not hit.any(), (wire, box)
    ends = []
    for wire in layout.wires:
        target = layout.nodes[wire.edge.target] if wire.edge else layout.output
        assert wire.end[0] == pytest.approx(target.left) and target.top < wire.end[1] < target.bottom
        sources = [layout.nodes[wire.edge.source]] if wire.edge else layout.nodes.values()
        assert any(
            wire.start[0] == pytest.approx(node.right) and node.top < wire.start[1] < node.bottom for node in sources
        )
        ends.append(wire.end)
    assert len(set(ends)) == len(ends)  # no two arrowheads lie over each other
    for edge in genotype[kind]:
        assert layout.nodes[edge.source].right < layout.nodes[edge.target].left


@pytest.mark.parametrize(("genotype", "kind"), CELLS[:2] + CELLS[-4:])
def test_drawn_text_lies_in_its_box(genotype, kind):
    layout = layout_cell(genotype, kind)
    figure = cell_figure(genotype, kind, layout)
    axes = figure.axes[0]
    renderer = figure.canvas.get_renderer()
    boxes = {f"edge-{i}": label for i, label in enumerate(layout.labels)}
    boxes |= {f"node-{node}": box for node, box in layout.nodes.items()} | {"output": layout.output}
    drawn = {text.get_gid(): text for text in axes.texts if text.get_gid()}
    assert drawn.keys() == boxes.keys()
    for name, text in drawn.items():
        (x0, y0), (x1, y1) = axes.transData.inverted().transform(text.get_window_extent(renderer).get_points())
        box = boxes[name]
        assert box.text == text.get_text()
        assert box.left < x0 < x1 < box.right and box.top < min(y0, y1) < max(y0, y1) < box.bottom
    # One inch of the layout is one inch of the plot, and everything else keeps clear of it.
    unit = np.subtract(*axes.transData.transform([(1, 1), (0, 0)]))
    np.testing.assert_allclose(unit, (figure.dpi, -figure.dpi))
    bottom = axes.transData.transform((0, layout.height - 0.25))[1]
    assert figure.legends[0].get_window_extent(renderer).y1 < bottom


def test_empty_cell(tmp_path):
    with pytest.raises(ValueError, match="no edges"):
        plot_cell(Genotype("toy", {"normal": []}), "normal", tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


# Plots ------------------------------------------------------------------------------------------
def test_cell_plot(tmp_path):
    plot_cell(genotypes.DARTS_V2, "normal", tmp_path / "a.png")
    plot_cell(genotypes.DARTS_V2, "normal", tmp_path / "b.png")
    width, height = png_size(tmp_path / "a.png")
    assert 600 < width < 2500 and 300 < height < 1500
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("epochs", [20, *(pytest.param(one, marks=pytest.mark.slow) for one in (0, 1))])
def test_alphas_plot(tmp_path, epochs):
    weights = np.random.default_rng(0).dirichlet(np.ones(8), (epochs + 1, len(EDGES)))
    history = {"normal": weights, "reduce": weights.tolist()}
    plot_alphas(
        history,
        tmp_path / "alphas.png",
        primitives=dict.fromkeys(history, PRIMITIVES[:8]),
        edges=dict.fromkeys(history, EDGES),
    )
    width, height = png_size(tmp_path / "alphas.png")
    assert 1000 < width < 3000 and 700 < height < 2500


def test_plots_leave_no_global_trace(tmp_path):
    import matplotlib

    before = matplotlib.rcParams.copy()
    plot_cell(genotypes.DARTS_V2, "reduce", tmp_path / "a.png")
    assert matplotlib.rcParams.copy() == before


@pytest.mark.parametrize(("more", "told"), [({}, "0 to 255"), ({"front": {"name": "levels", "low": [-80.0]}}, None)])
def test_range_of_pixels_is_told_where_it_is_that_of_pictures(more, told):
    dataset = {"input_shape": [4, 4, 1], "scale": 255.0, **more}
    rows = dict(dataset_table(Record({"searched": {"parameters": 1}, "dataset": dataset})).rows)
    assert rows.get("pixel values") == told and "scale" not in rows


def test_matplotlib_is_imported_lazily_and_without_pyplot():
    # Read, not run: Keras imports pyplot itself where it can, which would hide what is done here.
    for path in Path(reporting.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not any("matplotlib" in ast.unparse(node) for node in modules), path
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not any("pyplot" in ast.unparse(node) for node in imports), path


def test_failed_plot_leaves_the_old_file(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    path = tmp_path / "training.png"
    path.write_bytes(b"old")

    def fail(self, target, **options):
        Path(target).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        plot_cell(genotypes.DARTS_V2, "reduce", path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


# The verdict ------------------------------------------------------------------------------------
def sentences(text: str) -> int:
    return len(re.findall(r"[.](?= [A-Z]|$)", text))


@pytest.mark.parametrize(
    ("accuracy", "others", "words", "warns"),
    [
        (
            0.93,
            (0.90, 0.91, 0.92),
            "2.00 points above the mean of the random networks (91.00 %, n=3), and ranks 1st",
            0,
        ),
        (0.93, (0.90, 0.91, 0.92), "4. The lead is more than one standard deviation of the random networks (1.00 p", 0),
        (
            0.915,
            (0.90, 0.91, 0.92),
            "0.50 points above the mean of the random networks (91.00 %, n=3), and ranks 2nd",
            0,
        ),
        (
            0.915,
            (0.90, 0.91, 0.92),
            "is within one standard deviation of the random networks (1.00 points): with n=3 it",
            0,
        ),
        (
            0.85,
            (0.90, 0.91, 0.92),
            "6.00 points below the mean of the random networks (91.00 %, n=3), and ranks 4th",
            1,
        ),
        (0.85, (0.90, 0.91, 0.92), "did not beat drawing networks at random; the difference is more than one", 1),
        (0.909, (0.90, 0.91, 0.92), "did not beat drawing networks at random; the difference is within one", 1),
        (0.91, (0.90, 0.91, 0.92), "level with the mean", 1),
        (0.93, (0.9,), "With n=1 the spread of random networks is unknown.", 0),
        (0.8, (0.9,), "did not beat drawing networks at random; with n=1 the spread", 1),
    ],
)
def test_verdict_says_where_the_searched_network_stands(accuracy, others, words, warns):
    text = verdict(make_result(accuracy, others))
    assert words in text and text.count("Warning: this search") == warns and sentences(text) == 2


def test_verdict_without_random_networks():
    for others in ((), (float("nan"),)):
        text = verdict(make_result(others=others))
        assert "93.00 % test accuracy; it was not compared" in text and sentences(text) == 1
    assert "was not compared" in verdict(minimal_result())


def test_verdict_skip_dominated():
    def text(skips: int) -> str:
        edges = [("skip_connect" if i < skips else "sep_conv_3x3", i % 2, 2 + i // 2) for i in range(8)]
        return verdict(make_result(genotype=Genotype("darts", {"normal": edges, "reduce": edges})))

    assert "dominated by skip connections (5 of 8 edges of the normal cell)" in text(5)
    assert sentences(text(5)) == 3
    assert "skip" not in text(4)  # half is not more than half


# Report and card --------------------------------------------------------------------------------
class Page(HTMLParser):
    """Collects what a browser would fetch or run, and checks that tags are closed in order."""

    VOID = {"meta", "img", "br", "link", "hr"}

    def __init__(self, text: str):
        super().__init__()
        self.addresses, self.tags, self.open, self.text = [], [], [], ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset", "data", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_report_is_self_contained(tmp_path):
    result = make_result()
    for name in ("cell_normal", "cell_reduce"):
        plot_cell(genotypes.DARTS_V2, name.removeprefix("cell_"), tmp_path / f"{name}.png")
    text = report_text(tmp_path, Record.of(result))
    page = Page(text)
    assert len(page.addresses) == 2  # alphas.png does not lie there; curves are drawn in the page
    assert page.tags.count("svg") >= 2
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(page.tags)
    assert "http://" not in text and "https://" not in text and "url(" not in text and "@import" not in text
    for expected in (
        "93.00 %",
        "91.00 % ± 1.00",
        "54,321",
        "2 min 5 s",
        "1.88 GiB",
        "learning_rate",
        "0.025",
        "60,000",
        "2.21.0",
        "alpha_entropy",
        verdict(result),
        genotypes.DARTS_V2.to_paper_string(),
        json.dumps(result["genotype"]),
        'model = keras.models.load_model("model.keras")',
        "kerasnas search --dataset=digits --seed=3",
    ):
        assert expected in page.text, expected
    assert "prefers-color-scheme: dark" in text


def test_report_escapes(tmp_path):
    hostile = '<script>alert("1")</script>'
    result = make_result(command=hostile, kerasnas_version=hostile, settings={hostile: hostile})
    result["dataset"] = {"name": hostile, "classes": [hostile], hostile: hostile}
    result["environment"] = {hostile: hostile}
    result["search"]["history"] = {hostile: [1.0]}
    result["genotype"] = json.loads(Genotype(hostile, {hostile: [(hostile, 0, 2)]}).to_json())
    text = report_text(tmp_path, Record.of(result))
    assert "script" not in Page(text).tags
    assert "<script" not in text and "&lt;script&gt;" in text


def test_card_holds_the_figures():
    result = make_result()
    text = card_text(Record.of(result))
    for expected in (
        "# Model card",
        "digits",
        "28x28x1",
        "zero, one",
        "kerasnas search --dataset=digits --seed=3",
        "| seed | 3 |",
        "| test accuracy | 93.00 % |",
        "| parameters | 54,321 |",
        "| search time | 2 min 5 s |",
        "0.2345",
        "| peak memory | 1.88 GiB |",
        "| random 2 | 91.00 % |",
        verdict(result),
        "## Intended use and limits",
        json.dumps(result["genotype"]),
        genotypes.DARTS_V2.to_paper_string(),
        'model = keras.models.load_model("model.keras")',
    ):
        assert expected in text, expected
    assert "\n\n\n" not in text and text.endswith("```\n")


def test_card_escapes():
    hostile = "<script>x</script> | a\n# b `c` _d_ [e](f)"
    result = make_result(command="a\n```\n# no heading", settings={"name|": hostile})
    result["dataset"]["name"] = hostile
    text = card_text(Record.of(result))
    escaped = r"\<script\>x\</script\> \| a \# b \`c\` \_d\_ \[e\](f)"
    assert f"# Model card: darts network for {escaped}\n" in text
    assert f"| name\\| | {escaped} |\n" in text
    assert "````shell\na\n```\n# no heading\n````" in text


@pytest.mark.parametrize("text_of", [lambda record: report_text(Path("nowhere"), record), card_text])
def test_little_is_required(text_of):
    text = text_of(Record(minimal_result()))
    assert "not compared" in text and "None" not in text
    result = make_result(dataset=None, settings=None, search=None, environment=None, random=None, command=None)
    assert "not compared" in text_of(Record(result))


def test_metrics_of_different_length_and_kind(tmp_path):
    result = make_result()
    result["search"]["history"] = {"loss": [1.0, 0.5], "late": [0.25], "alphas": [[0.1, 0.9]], "note": "text"}
    text = report_text(tmp_path, Record.of(result))
    assert '<tr><th scope="row">2</th><td>0.5</td><td>-</td></tr>' in text
    assert '<th scope="col">alphas' not in text


def test_missing_keys_are_named():
    with pytest.raises(ValueError, match=r"`result`. Missing: 'genotype', 'searched'. Received keys: \['random'\]"):
        verdict({"random": []})
    with pytest.raises(ValueError, match=r"Missing: 'searched'"):
        verdict({"genotype": {}})
    with pytest.raises(ValueError, match="Expected a mapping"):
        verdict(None)


def test_a_damaged_record_is_told(tmp_path):
    result = make_result()
    del result["genotype"]
    with pytest.raises(ValueError, match=r"`record`. Expected the record of a run.*there is no 'genotype'"):
        write_pages(tmp_path, Record(result))


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "card.md").write_text("old")

    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(storage.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_pages(tmp_path, Record(make_result()))
    assert (tmp_path / "card.md").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("image_fit", "words"), [("stretch", "resize((6, 4))"), ("crop", "ImageOps.fit("), ("pad", "ImageOps.pad(")]
)
def test_the_code_on_the_card_brings_images_to_size_as_the_training_did(image_fit, words, tmp_path):
    record = {"dataset": {"input_shape": [4, 6, 3], "scale": 255.0, "image_fit": image_fit}}
    code = usage(Record({"searched": {}, **record}))
    assert words in code
    (line,) = [line for line in code.splitlines() if line.startswith("image = ")]
    PIL.Image.new("RGB", (60, 20)).save(tmp_path / "image.png")
    scope = {"PIL": PIL}
    image = eval(line.removeprefix("image = ").replace("image.png", str(tmp_path / "image.png")), scope)  # noqa: S307
    assert image.size == (6, 4)


@pytest.mark.parametrize(
    ("accuracy", "error", "words"),
    [
        (0.8917, 0.005, "On the same 1,000 samples the difference is +0.17 ± 0.98 points (95 %), so it may be chance."),
        (0.92, 0.005, "On the same 1,000 samples the difference is +3.00 ± 0.98 points (95 %)."),
        (0.88, 0.002, "Warning: this search did not beat drawing networks at random; on the same 1,000 samples the "),
    ],
)
def test_a_lead_is_called_one_by_the_same_samples(accuracy, error, words):
    """A lead of 0.17 points is more than the deviation of three alike networks, and may still be chance."""
    random = [{"test_accuracy": value} for value in (0.8899, 0.89, 0.8901)]
    genotype = json.loads(Genotype("toy", {"normal": [("sep_conv_3x3", 0, 2)]}).to_json())
    result = {"genotype": genotype, "searched": {"test_accuracy": accuracy}, "random": random}
    paired = {"difference": accuracy - 0.89, "error": error, "samples": 1000}
    assert words in verdict({**result, "paired": paired})
    assert "standard deviation" not in verdict({**result, "paired": paired})
    assert "standard deviation" in verdict(result)


def test_predictions_hold_no_formula_and_no_control_characters():
    rows = [
        ("=cmd|calc", {"\x1b[31mred": 0.75, "@sum": 0.25}),
        (os.fsdecode(b"caf\xe9.png"), {"\x1b[31mred": 0, "@sum": 1}),
    ]
    for form in ("text", "csv"):
        said = predictions_text(rows, form)
        assert "\x1b" not in said and said.encode()
    header, first, second = csv.reader(io.StringIO(predictions_text(rows, "csv")))
    assert header == ["file", "class", "probability", "\\x1b[31mred", "'@sum"]
    assert first[:2] == ["'=cmd|calc", "\\x1b[31mred"] and second[:2] == ["caf\\udce9.png", "'@sum"]


# Samples -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("classes", [20, 21])
def test_samples_have_the_probability_of_each_class_or_of_the_three_best(classes):
    names = ["=a", *(f"class {n}" for n in range(1, classes))]
    answers = np.random.default_rng(0).dirichlet(np.ones(classes), 2).tolist()
    text = samples_csv({"sample": ["-x.png", "a\n.png"], "label": ["=a", "class 1"]}, answers, names, CLASSIFICATION)
    header, *rows = csv.reader(io.StringIO(text))
    order = np.argsort(answers, axis=1)[:, ::-1]
    assert [row[:2] for row in rows] == [["'-x.png", "'=a"], [r"a\n.png", "class 1"]]
    assert [row[2].lstrip("'") for row in rows] == [names[best] for best in order[:, 0]]
    if classes == 20:
        assert header == ["sample", "label", "predicted", "'=a", *names[1:]]
        np.testing.assert_allclose([list(map(float, row[3:])) for row in rows], answers, rtol=1e-4)
    else:
        assert header[2::2] == ["predicted", "second", "third"] and len(header) == 8
        assert [[cell.lstrip("'") for cell in row[2::2]] for row in rows] == [
            [names[one] for one in best[:3]] for best in order
        ]
        assert [float(cell) for cell in rows[0][3::2]] == pytest.approx(sorted(answers[0])[:-4:-1], rel=1e-4)
