"""A device that networks are searched for: what it holds, and how long its processor takes."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import json
import math
from collections.abc import Mapping
from pathlib import Path

from kerasnas import checks
from kerasnas.cost.device import CONVOLUTION, KINDS, OTHER, POINTWISE, OperatorGraph
from kerasnas.files import untrusted

OPERATOR = "operator"
_FILE = "boards.json"


@checks.fields(
    name=checks.name,
    source=checks.name,
    flash_kb=checks.positive,
    ram_kb=checks.positive,
    clock_mhz=checks.positive,
    cycles=checks.entries(checks.not_negative),
    lacks=checks.each(checks.known(*KINDS)),
    lanes=checks.size,
)
@dataclasses.dataclass(frozen=True)
class Board:
    """A microcontroller, for networks in integers of 8 bits.

    Args:
        name: of the board.
        source: where the numbers are from.
        flash_kb, ram_kb: what a network may take, in kB of 1,000 bytes.
        clock_mhz: cycles of its processor in a microsecond.
        cycles: kind of an operator -> cycles of a multiply-add: `"convolution"`, `"pointwise"` (by default as a
            convolution), `"depthwise"`, `"dense"`; `"other"` -> cycles of a number that is read or written, by default
            0; `"operator"` -> cycles of each operator besides, by default 0. Defaults to none: no latency is known.
        lacks: kinds of operators that it has not. Defaults to none.
        lanes: channels that are computed at once. Defaults to 1.

    Example:

    >>> import keras
    >>> board = Board("own", "measured", 512, 128, 100, {"convolution": 2.0, "depthwise": 4.0, "dense": 2.0})
    >>> inputs = keras.Input((8, 8, 1))
    >>> network = keras.Model(inputs, keras.layers.Conv2D(4, 3, padding="same")(inputs))
    >>> board.latency_ms(OperatorGraph.of(network))  # 8 x 8 x 9 x 4 multiply-adds, 2 cycles each
    0.04608
    """

    name: str
    source: str
    flash_kb: float
    ram_kb: float
    clock_mhz: float
    cycles: Mapping[str, float] = dataclasses.field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    lanes: int = 1

    def __post_init__(self) -> None:
        checks.names("cycles", tuple(self.cycles), (*KINDS, OPERATOR), least=0)

    @classmethod
    @checks.arguments(name=checks.name)
    def named(cls, name: str) -> Board:
        """Return a bundled board by its name, or that of a file `.json` with these arguments.

        Raises:
            ValueError: for an unknown name, and for a file that is no board.
        """
        if not name.endswith(".json"):
            known = bundled_boards()
            checks.one_of("board", name, (*known, "a file `.json`"))
            return known[name]
        try:
            record = untrusted.read_json(name)
            return cls(**{"name": Path(name).stem, **record, "lacks": tuple(record.get("lacks", ()))})
        except (OSError, TypeError, AttributeError, ValueError) as error:
            fields = ", ".join(field.name for field in dataclasses.fields(cls))
            raise ValueError(f"{name} is no board: {error}. Expected a JSON object of {fields}.") from None

    def latency_ms(self, graph: OperatorGraph) -> float:
        """Predict the milliseconds of one sample; infinity where nothing is known of an operator's cycles."""
        cycles = {POINTWISE: self.cycles.get(CONVOLUTION, math.inf), OTHER: 0.0, OPERATOR: 0.0, **self.cycles}
        total = len(graph.operators) * cycles[OPERATOR]
        total += sum(cycles.get(one.kind, math.inf) * one.computed(self.lanes) for one in graph.operators)
        return total / (1000 * self.clock_mhz)

    def lacking(self, graph: OperatorGraph) -> int:
        """Return the number of operators of the kinds that the board lacks."""
        return sum(one.kind in self.lacks for one in graph.operators)


@functools.cache
def bundled_boards() -> dict[str, Board]:
    """Return name -> board, of those that come with the package."""
    text = importlib.resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    return {name: Board(name, **numbers) for name, numbers in json.loads(text).items()}


# In float32, with vectors of 16 channels: fitted to what 84 networks of `MacroSpace` take in LiteRT on one thread of a
# Xeon with AVX-512. Their order is that of what was measured (Spearman .96); most are within a factor of 2.
HERE = Board(
    name="this machine",
    source="fitted to measurements",
    flash_kb=1e9,
    ram_kb=1e9,
    clock_mhz=1000,
    cycles={
        "convolution": 0.029,
        "pointwise": 0.009,
        "depthwise": 0.19,
        "dense": 0.77,
        "other": 0.01,
        OPERATOR: 51.0,
    },
    lanes=16,
)
