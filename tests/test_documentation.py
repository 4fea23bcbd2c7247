"""README, guides and tutorials: their code runs, their links lead somewhere, notebooks hold what their sources say."""

import ast
import inspect
import itertools
import json
import re
import sys
import wave
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import kerasnas

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GUIDES = sorted((DOCS / "guides").glob("*.md"))
SOURCES = sorted((DOCS / "tutorials" / "sources").glob("*.md"))
TINY = {  # what makes the code of a page cheap; each is replaced where it stands
    r"\bminutes=[\d.]+": "cpu_minutes=0.5",
    r"\bcpu_minutes=[\d.]+": "cpu_minutes=0.5",
    r"\bepochs=\d+": "epochs=1",
    r"\bnum_nodes=\d+": "num_nodes=1",
    r"\bbatch_size=\d+": "batch_size=16",
    r"\bfilters=\d+": "filters=4",
    r"\bmax_trials=\d+": "max_trials=1",
    r"\bsteps=\d+": "steps=1",
    r"\bsteps=\(\d+,\)": "steps=(1,)",
    r"\bseconds=\d+": "seconds=3",
    r"\bepisodes=\d+": "episodes=2",
    r"\bShortlist\(": "Shortlist(evaluations=4, ",
    r"\bmazes\(1, 100, 11\b": "mazes(1, 100, 5",
}


def python_of(page):
    """The blocks of Python of a page, in their order: `python` fences, and cells of a notebook's source."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```(?:python|\{code-cell\}[^\n]*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def pages_with_code():
    return [page for page in (ROOT / "README.md", *GUIDES, *SOURCES) if python_of(page)]


@pytest.fixture
def tiny_world(tmp_path, monkeypatch):
    """A folder with a photograph, the embedded images cut down to 160 of each part, and small mazes."""
    load, embedded = kerasnas.datasets.load, "fashion_mnist_mini"
    full, keep = load(embedded), np.arange(160)
    small = type(full)(
        name=full.name,
        x_train=full.x_train[keep],
        y_train=full.y_train[keep],
        x_test=full.x_test[keep],
        y_test=full.y_test[keep],
        classes=full.classes,
        scale=full.scale,
    )
    Image.fromarray((255 * small.x_test[0, :, :, 0]).astype("uint8")).save(tmp_path / "photo.png")
    known = {embedded: lambda: small, "mazes": lambda: kerasnas.datasets.mazes(200, 100, 5)}
    monkeypatch.setattr(
        kerasnas.datasets, "load", lambda name, **more: known[name]() if name in known else load(name, **more)
    )
    monkeypatch.setattr(keras.utils, "get_file", lambda name, address, extract: archive(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def archive(folder):
    """Files as in each of the archives that a page downloads, few and small."""
    folder.mkdir()
    texts = [f"{label}\t{words} {number}" for number in range(30) for label, words in (("ham", "hi"), ("spam", "win"))]
    (folder / "SMSSpamCollection").write_text("\n".join(texts))
    rng = np.random.default_rng(0)
    for part in ("TRAIN", "TEST"):
        rows = [",".join(f"{value:.3f}" for value in rng.normal(label, 1, 20)) + f":{label}" for label in (1, 2) * 8]
        head = ["@problemName GunPoint", "@univariate true", "@classLabel true 1 2", "@data"]
        (folder / f"GunPoint_{part}.ts").write_text("\n".join([*head, *rows]))
    for part, name, number in itertools.product(("train", "val"), ("ants", "bees"), range(8)):
        path = folder / "hymenoptera_data" / part / name / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(path)
    for number in range(16):
        with wave.open(str(folder / f"{'queue-' * (number < 2)}{number}.wav"), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(rng.integers(-9000, 9000, 9000, dtype=np.int16).tobytes())
    (folder / "cora").mkdir()
    papers = [[paper, *rng.integers(0, 2, 20), f"topic{paper % 3}"] for paper in range(1600)]
    (folder / "cora" / "cora.content").write_text("\n".join("\t".join(map(str, paper)) for paper in papers))
    (folder / "cora" / "cora.cites").write_text("\n".join(f"{paper}\t{(paper + 3) % 1600}" for paper in range(1600)))
    return folder


@pytest.mark.examples
@pytest.mark.parametrize("page", pages_with_code(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_code_of_the_page_runs(page, tiny_world):
    """In order, in one namespace a page, at its smallest."""
    namespace = {"__name__": page.stem}
    for block in python_of(page):
        block = re.sub(r"^\s*(?::[\w-]+:.*|[%!].*)$", "", block, flags=re.MULTILINE)  # options of a cell, magics
        for pattern, tiny in TINY.items():
            block = re.sub(pattern, tiny, block)
        exec(compile(block, str(page), "exec"), namespace)
    if page.name in ("README.md", "gradient-search.md"):
        assert isinstance(namespace["genotype"], kerasnas.Genotype)
        assert namespace["data"].x_train.shape == (160, 28, 28, 1)  # it was cheap


def test_pages_have_code():
    names = {page.name for page in pages_with_code()}
    assert {"README.md", "images.md", "gradient-search.md", "keras-tuner.md", "own-space.md"} <= names


def relative_links(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)|\bsrc=\"([^\"]+)\"", text)
    return [target for target in map("".join, targets) if not re.match(r"[a-z]+:|#", target)]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "saved_models/README.md"])
def test_relative_links_lead_somewhere(name):
    page = ROOT / name
    missing = [link for link in relative_links(page) if not (page.parent / link.split("#")[0]).exists()]
    assert not missing, missing


def test_readme_is_short_and_its_images_are_small():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 200
    images = [ROOT / link for link in relative_links(ROOT / "README.md") if link.endswith(".png")]
    assert images and all(path.stat().st_size < 200_000 for path in images)


@pytest.mark.parametrize("source", SOURCES, ids=lambda page: page.stem)
def test_notebook_has_the_code_of_its_source_and_outputs(source):
    """`python docs/tutorials/execute.py` makes one of the other; a cell that prints has its output."""
    book = json.loads((DOCS / "tutorials" / f"{source.stem}.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    written = ["".join(cell["source"]).strip() for cell in cells]
    blocks = [re.sub(r"^:[\w-]+:.*\n", "", block, flags=re.MULTILINE).strip() for block in python_of(source)]
    assert written == blocks
    assert all(cell["outputs"] for cell in cells if re.search(r"\bprint\(|^model\.evaluate", "".join(cell["source"])))
    assert not [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]


@pytest.fixture
def extensions(monkeypatch):
    """The modules that generate pages, which no package holds."""
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    for name in ("docstrings", "links", "modules", "papers", "reference", "command_line", "generated"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_docstrings_become_markdown(extensions):
    import docstrings

    text = """Adds.

    Args:
        x, y: numbers, on
            two lines.

    Example:

    >>> 1 + 1  # doctest: +ELLIPSIS
    2

    Differences from the paper:
        - One, on
          two lines.
        - Another.
    """
    assert docstrings.differences(text) == ["One, on two lines.", "Another."]
    made = docstrings.markdown(text)
    assert made.startswith("Adds.\n\n**Args**\n\n- `x, y`: numbers, on\n  two lines.")
    assert "```pycon\n>>> 1 + 1\n2\n```" in made


def test_names_become_links_outside_of_code(extensions):
    import links

    homes = {"MAML": "kerasnas.meta.MAML", "load": "kerasnas.datasets.load", "Sigmoid": "kerasnas.relaxations.Sigmoid"}
    assert links.link("(arXiv 1806.09055)", {}) == "([arXiv 1806.09055](https://arxiv.org/abs/1806.09055))"
    nested = "````{py:class} X()\n`MAML`\n```pycon\n`MAML`\n```\n````"
    assert links.link(nested, homes) == nested.replace("\n`MAML`\n", "\n{py:obj}`MAML <kerasnas.meta.MAML>`\n", 1)
    text = "# `Sigmoid`\n`Sigmoid(x)`, `load`\n```\n`Sigmoid`\n```\n`Sigmoid`"
    linked = "{py:obj}`Sigmoid(x) <kerasnas.relaxations.Sigmoid>`, `load`"
    last = "{py:obj}`Sigmoid <kerasnas.relaxations.Sigmoid>`"
    assert links.link(text, homes) == f"# `Sigmoid`\n{linked}\n```\n`Sigmoid`\n```\n{last}"


def test_globs_that_find_no_page_are_dropped(extensions, tmp_path):
    import generated

    (tmp_path / "guides").mkdir()
    for name in ("index", "a"):
        (tmp_path / "guides" / f"{name}.md").write_text("# A page")
    text = "a\n*\n"
    assert generated.without_empty_globs(text, tmp_path / "guides") == "a\n"
    assert generated.without_empty_globs("results/index*\nb\n", tmp_path) == "b\n"
    (tmp_path / "guides" / "b.md").write_text("# Another")
    assert generated.without_empty_globs(text, tmp_path / "guides") == text


@pytest.mark.slow
def test_pages_of_papers_have_every_docstring_with_differences(extensions):
    import docstrings
    import papers

    homes = {"MAML": "kerasnas.meta.MAML"}
    made = papers.others(homes) + "".join(papers.filled(text, homes) for text in papers.pages().values())
    assert all(method.entry(homes) in made for method in papers.methods())
    stated = sum(
        len(re.findall(r"^ +Differences from the papers?:$", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
        for package in ("kerasnas", "tuners")
        for path in (ROOT / package).rglob("*.py")
    )
    assert sum(bool(docstrings.differences(method.docstring)) for method in papers.methods()) == stated > 50
    assert "{py:obj}`MAML <kerasnas.meta.MAML>` in `kerasnas/meta/maml.py`" in made


def codes(text):
    return re.findall(r"`([^`]+)`", text)


def parameters(value):
    """The names of all arguments; of a class also those that it hands on to its parents."""
    makers = [vars(base)["__init__"] for base in inspect.getmro(value) if "__init__" in vars(base)]
    return {name for maker in makers[:-1] for name in inspect.signature(maker).parameters}


def test_pages_of_papers_name_what_exists(extensions):
    """Code that cites each publication; public names and their arguments; flags and their values."""
    import modules
    import papers

    from kerasnas.cli.commands import COMMANDS

    found = modules.entries()
    homes, values = modules.homes(found), {one.place: one.value for several in found.values() for one in several}
    known = {name: (set(command.flags()), command.known_values()) for name, command in COMMANDS.items()}
    table = papers.filled((papers.PAGES / "index.md").read_text(encoding="utf-8"), homes)
    assert table.count(".md) | ") == len(papers.pages()) > 20
    for page, text in papers.pages().items():
        facts, cited = papers.facts(text), papers.cited(text)
        assert cited, page
        for publication in cited:
            assert publication in facts["paper"], f"{page}: {publication}"
            assert any(method.cites([publication]) for method in papers.methods()), f"{page}: {publication}"
        for code in codes(facts["Python"] + facts["KerasTuner"]):
            tree = ast.parse(code, mode="eval").body
            calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
            for name in [call.func for call in calls] or [tree]:
                assert ast.unparse(name) in homes, f"{page}: {code}"
            for call in calls:
                asked = {keyword.arg for keyword in call.keywords}
                assert asked <= parameters(values[homes[ast.unparse(call.func)]]), f"{page}: {code}"
        for code in codes(text):
            command = re.match(r"kerasnas (\w+)", code)
            flags, right = known[command[1] if command else "search"]
            for flag, value in re.findall(r"(?<!\S)--(\w+)(?:=(\S+))?", code):
                assert flag in flags, f"{page}: {code}"
                assert not right.get(flag) or {*filter(None, value.split(","))} <= {*right[flag]}, f"{page}: {code}"


def test_figures_on_pages_of_papers_are_those_of_their_source(extensions):
    import papers

    number, checked = r"\d[\d,]*\.\d+", 0
    for page, text in papers.pages().items():
        for row in text.partition("## Figures")[2].partition("\n## ")[0].splitlines():
            _, what, here, *_ = [*row.split("|"), "", ""]
            if figures := re.findall(number, here):
                (source,) = re.findall(r"\]\(([^)]+)\)", here) or [f"../../{path}" for path in codes(here)]
                right = re.findall(number, (papers.PAGES / source).read_text(encoding="utf-8"))
                assert {*figures, *re.findall(number, what)} <= {*right}, f"{page}: {row}"
                checked += len(figures)
    assert checked > 30


def test_command_line_page_has_every_flag(extensions):
    import command_line

    from kerasnas.cli.commands import COMMANDS

    made = command_line.page()
    for name, command in COMMANDS.items():
        assert f"## kerasnas {name}\n" in made
        assert all(f"| `--{flag}` |" in made for flag in command.flags())


def test_reference_has_every_public_name(extensions):
    import modules

    found = modules.entries()
    homes = modules.homes(found)
    assert homes["kerasnas.BilevelTrainer"] == homes["BilevelTrainer"] == "kerasnas.search.BilevelTrainer"
    import tuners

    assert {entry.name for entry in found["tuners"]} == set(tuners.__all__)
