"""Run the sources of the tutorials, and keep them with their outputs.

    python docs/tutorials/execute.py               # all of them
    python docs/tutorials/execute.py texts         # one
    python docs/tutorials/execute.py --words texts # its words alone have changed: the outputs stay

A source is a Markdown notebook, `sources/NAME.md`; readers see `NAME.ipynb` beside this script, with the outputs
of a real run. A test compares the code of both, and the site is built from the latter without running anything.
Where the source has a line `report: [SECTION, ...]` at its top, these sections of the report of that run, below its
summary, become `docs/images/NAME.png`; that needs Chromium.
"""

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path

import nbformat
from myst_nb.core.read import read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from nbclient import NotebookClient
from PIL import Image, ImageOps

HERE = Path(__file__).parent
IMAGES = HERE.parent / "images"
NOISE = re.compile(  # TensorFlow's own lines, which commands and notebooks write among the others
    r"^(WARNING: All log messages before absl|I0000 |WARNING:tensorflow:(\d|Issue .*\n.*\n)).*\r?\n", re.MULTILINE
)


def execute(source: Path, words: bool = False) -> Path:
    """Run one source in an empty folder, or take the outputs of its notebook; write and return the notebook."""
    book = read_myst_markdown_notebook(source.read_text(encoding="utf-8"), MdParserConfig(), add_source_map=False)
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    sections = book.metadata.pop("report", None)
    target = HERE / f"{source.stem}.ipynb"
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    if words:
        kept = [cell for cell in nbformat.read(target, as_version=4).cells if cell.cell_type == "code"]
        if [cell.source for cell in kept] != [cell.source for cell in cells]:
            raise SystemExit(f"{source} has other code than {target}: run it without --words.")
        for cell, old in zip(cells, kept, strict=True):
            cell.outputs, cell.execution_count = old.outputs, old.execution_count
    else:
        with tempfile.TemporaryDirectory() as folder:
            NotebookClient(book, timeout=1800, resources={"metadata": {"path": folder}}).execute()
            if sections:
                photograph(next(Path(folder).glob("*/run/report.html")), sections, IMAGES / f"{source.stem}.png")
    book.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}  # which lexes lines of `!`
    for number, cell in enumerate(book.cells):
        cell.id, cell.metadata = f"cell-{number}", {}  # else every run would change every line
    for cell in cells:
        for output in cell.outputs:
            output.update({"text": NOISE.sub("", output.text)} if "text" in output else {})
        cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr" and one.get("text", "some")]
    target.write_text(nbformat.writes(book) + "\n", encoding="utf-8")
    return target


def photograph(report: Path, sections: list[str], target: Path) -> None:
    """Save the summary of a report and its `sections` as a PNG of 1000 pixels in width and few colors."""
    summary, *others = report.read_text(encoding="utf-8").split("<section>")
    shown = [one for one in others if any(f"<h2>{name}</h2>" in one for name in sections)]
    page, shot = report.with_name("shown.html"), report.with_name("shown.png")
    page.write_text("<section>".join([summary, *shown]), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1000,6000"]
    profile = f"--user-data-dir={report.with_name('chromium')}"
    command = ["chromium", *options, profile, f"--screenshot={shot}", page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True)
    image = Image.open(shot).convert("RGB")
    height = ImageOps.invert(image).getbbox()[3] + 20  # below it all is white
    image.crop((0, 0, image.width, height)).quantize(64).save(target, optimize=True)


if __name__ == "__main__":
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="of sources; default: all")
    parser.add_argument("--words", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    for name in arguments.names or sorted(path.stem for path in (HERE / "sources").glob("*.md")):
        print(execute(HERE / "sources" / f"{name}.md", arguments.words))
