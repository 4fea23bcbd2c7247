"""Run the sources of the tutorials, and keep them with their outputs.

    python docs/tutorials/execute.py                    # all of them
    python docs/tutorials/execute.py own-images         # one
    python docs/tutorials/execute.py --words own-images # its words alone have changed: the outputs stay

A source is a Markdown notebook, `sources/NAME.md`; readers see `NAME.ipynb` beside this script, with the outputs
of a real run. A test compares the code of both, and the site is built from the latter without running anything.
"""

import argparse
import os
import tempfile
from pathlib import Path

import nbformat
from myst_nb.core.read import read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from nbclient import NotebookClient

HERE = Path(__file__).parent


def execute(source: Path, words: bool = False) -> Path:
    """Run one source in an empty folder, or take the outputs of its notebook; write and return the notebook."""
    book = read_myst_markdown_notebook(source.read_text(encoding="utf-8"), MdParserConfig(), add_source_map=False)
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book.metadata.language_info = {"name": "python"}
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
    for number, cell in enumerate(book.cells):
        cell.id, cell.metadata = f"cell-{number}", {}  # else every run would change every line
    for cell in cells:
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    target.write_text(nbformat.writes(book) + "\n", encoding="utf-8")
    return target


if __name__ == "__main__":
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="of sources; default: all")
    parser.add_argument("--words", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    for name in arguments.names or sorted(path.stem for path in (HERE / "sources").glob("*.md")):
        print(execute(HERE / "sources" / f"{name}.md", arguments.words))
