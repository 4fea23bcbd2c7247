"""Progress of a search: a table with a row for each trial."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from typing import Any

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.reporting.tables import duration

_NUMBER, _SCORE, _TIME = 6, 13, 12
_LONGEST = 60  # of hyperparameters in words


def in_words(values: Mapping[str, Any]) -> str:
    """Format hyperparameters in one line, cut at 60 characters.

    Example:

    >>> in_words({"filters": 4, "learning_rate": 0.0251189})
    'filters 4, learning_rate 0.0251'
    """
    parts = [f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()]
    text = ", ".join(parts) or "the settings as given"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def primitives_in_words(genotype: Genotype) -> str:
    """Count the primitives of a genotype, in one line.

    Example:

    >>> primitives_in_words(Genotype("toy", {"normal": [("skip_connect", 0, 2), ("sep_conv_3x3", 1, 2)]}))
    '1 sep_conv_3x3, 1 skip_connect'
    """
    counts = Counter(edge.primitive for _, edges in genotype.cells for edge in edges)
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def inside(verbose: Any) -> int:
    """Return Keras' verbosity of the trainings inside a trial for that of a search; 0 for rows alone.

    Example:

    >>> [inside(verbose) for verbose in (0, 1, 2, "auto", "rows")]
    [0, 1, 2, 1, 0]
    """
    if isinstance(verbose, str):
        return {"auto": 1, "rows": 0}[checks.one_of("verbose", verbose, ("auto", "rows"))]
    return checks.integer("verbose", verbose, least=0, most=2)


class ProgressTable:
    """Prints a header once, with the objective's name, and a row for each trial; nothing with `verbose=0`."""

    def __init__(self, objective: str, verbose: int | str):
        self.objective, self.verbose = objective, verbose
        self._headed = False

    def say(self, text: str) -> None:
        """Print a line of its own."""
        if self.verbose:
            print(text, flush=True)

    def row(self, number: str, what: str, score: float | None, best: float | None, seconds: float) -> None:
        """Print the row of one trial; a score of None has failed."""
        width = max(20, shutil.get_terminal_size((100, 24)).columns - _NUMBER - 2 * _SCORE - _TIME - 3)
        name = self.objective if len(self.objective) <= _SCORE else self.objective[: _SCORE - 1] + "."
        if not self._headed:
            self._headed = True
            self.say(f"trial  {'what':{width}s}{name:>{_SCORE}s} {'best':>{_SCORE}s}{'time':>{_TIME}s}")
        what = what if len(what) < width else what[: width - 4] + "..."
        numbers = [f"{value:{_SCORE}.4f}" if value is not None else f"{'-':>{_SCORE}s}" for value in (score, best)]
        self.say(f"{number:>5s}  {what:{width}s}{numbers[0]} {numbers[1]}{duration(seconds):>{_TIME}s}")
