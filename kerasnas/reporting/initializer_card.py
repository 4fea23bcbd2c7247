"""Card of a meta-learned initialization: `card.md`, made of the record beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasnas.files import storage
from kerasnas.meta import ReptileInitializer
from kerasnas.modalities.lookup import of_record
from kerasnas.reporting import tables
from kerasnas.reporting.card import escape, fenced, markdown_table

LOADING = """\
import kerasnas

learner = kerasnas.meta.ReptileInitializer.load("FOLDER").learner()
learner.compile()
model = learner.adapt(episode)  # a Keras model for the classes of the episode's support set"""
_APART = ("modality", "figures", "command", "settings", "note", "genotype", "datasets", "licences", "parameters")
_BEGINNING = """\
kerasnas search my_SAMPLES/ --initializer=FOLDER"""


def write_initializer_card(folder: str | os.PathLike) -> Path:
    """Write the card of a saved `ReptileInitializer` to `card.md` in its folder, atomically.

    Args:
        folder: what `ReptileInitializer.save` made. Its description may have `command`, `figures` (name -> text) and
            `note`; everything else in it becomes a row.
    """
    path = Path(folder) / "card.md"
    storage.write_text(path, initializer_card_text(ReptileInitializer.load(folder), Path(folder).name))
    return path


def initializer_card_text(initializer: ReptileInitializer, name: str) -> str:
    """Return the text of `card.md`."""
    record: Mapping[str, Any] = initializer.description
    rows = [[str(key), tables.exact(value)] for key, value in record.items() if key not in _APART and value is not None]
    if initializer.model is not None:
        shapes = [variable.shape for variable in initializer.model.trainable_variables]
        rows.append(["parameters", f"{sum(shape.num_elements() for shape in shapes):,}"])
        rows.append(["input shape", tables.show(list(initializer.model.input_shape[1:]))])
    figures = [[str(key), str(value)] for key, value in (record.get("figures") or {}).items()]
    jointly = "network" in record  # learned by `kerasnas pretrain`
    samples = of_record(record).plural
    licences = record.get("licences") or {}
    for one, accuracy in (record.get("datasets") or {}).items() if jointly else ():
        source = f"{one} ({licences[one]})" if one in licences else one
        figures.append([f"{escape(source)}, {samples} that are new to it", f"{100 * accuracy:.1f} %"])
    parts = [
        f"# {'Pre-trained' if jointly else 'Meta-learned'} initialization: {escape(name)}",
        f"Initial weights of a network that learned several tasks at once, for races on other {samples} to begin from."
        if jointly
        else "Initial weights from which a few steps on a few samples of new classes make a classifier of them.",
        escape(str(record["note"])) if record.get("note") else "",
        "## How it was made",
        fenced(str(record["command"]), "shell") if record.get("command") else "The command was not recorded.",
        markdown_table(tables.Table([], rows)),
        "Settings of the learner:" if record.get("settings") else "",
        markdown_table(tables.Table([], [[k, tables.exact(v)] for k, v in (record.get("settings") or {}).items()])),
        "## Results",
        markdown_table(tables.Table([], figures)) or "No results were recorded.",
        "## Intended use and limits",
        "\n".join(
            [
                f"- Meant for tasks like those it was learned from. On other {samples} it may be no better than random "
                "initial weights: measure.",
                "- The results are on the data sets that it learned: what it gives on others, the race there says."
                if jointly
                else "- Results of few-shot learning depend on whether batch norm may look at the other queries "
                "(transductive); both are given.",
                "- Not examined: fairness between groups, robustness, calibration.",
            ]
        ),
        "## How to load it",
        fenced(
            (_BEGINNING if jointly else LOADING).replace("FOLDER", name).replace("SAMPLES", samples),
            "shell" if jointly else "python",
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
