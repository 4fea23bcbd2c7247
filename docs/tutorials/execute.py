"""Run the sources of the tutorials, and keep them with their outputs.

    python docs/tutorials/execute.py             # all of them
    python docs/tutorials/execute.py own-images  # one

A source is a Markdown notebook, `sources/NAME.md`; readers see `NAME.ipynb` beside this script, with the outputs
of a real run. A test compares the code of both, and the site is built from the latter without running anything.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from myst_nb.core.read import read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from nbclient import NotebookClient

HERE = Path(__file__).parent


def execute(source: Path) -> Path:
    """Run one source in an empty folder; write and return its notebook."""
    book = read_myst_markdown_notebook(source.read_text(encoding="utf-8"), MdParserConfig(), add_source_map=False)
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book.metadata.language_info = {"name": "python"}
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(book, timeout=1800, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number}"  # else they are drawn anew, and every run would change every line
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    target = HERE / f"{source.stem}.ipynb"
    target.write_text(nbformat.writes(book) + "\n", encoding="utf-8")
    return target


if __name__ == "__main__":
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
    names = sys.argv[1:] or sorted(path.stem for path in (HERE / "sources").glob("*.md"))
    for name in names:
        print(execute(HERE / "sources" / f"{name}.md"))
