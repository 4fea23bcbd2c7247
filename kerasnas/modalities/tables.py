"""Tables: rows of numbers."""

from __future__ import annotations

import numpy as np

from kerasnas.modalities.base import Modality

_MOST_COLUMNS = 32  # of drift statistics


class Tables(Modality):
    """Rows `(columns,)` of numbers."""

    name = "tables"
    singular, plural = "row", "rows"
    inputs = "table"
    axes = ("columns",)
    in_words = "{columns} columns"

    def statistics(self, x: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        chosen = np.unique(np.linspace(0, x.shape[1] - 1, min(x.shape[1], _MOST_COLUMNS)).astype(int))
        return x[:, chosen].astype("float32"), tuple(f"input {column}" for column in chosen)
