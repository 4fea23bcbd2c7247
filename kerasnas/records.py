"""Record of a run: one schema of what `result.json` holds, of this version and of earlier ones."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from kerasnas import checks
from kerasnas.genotypes import Genotype, of_entry

FORMAT, VERSION = "kerasnas.result", 1
Entries = Mapping[str, Any]


class Part:
    """Base of the parts of a record: frozen dataclasses, of which each field is an entry."""

    @classmethod
    def read(cls, name: str, entries: Any) -> Any:
        """Return the part that `entries` hold; entries of other versions are left out.

        Raises:
            ValueError: if they are no mapping, or lack an entry.
        """
        if not isinstance(entries, Mapping):
            raise ValueError(checks.invalid("record", f"a mapping as its part `{name}`", entries))
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        given = {field.name: entries[field.name] for field in fields if entries.get(field.name) is not None}
        needed = [field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING]
        if missing := [repr(key) for key in needed if key not in given]:
            raise ValueError(f"Incomplete value received for part `{name}` of a record. Missing: {', '.join(missing)}")
        return cls(**given)


@dataclasses.dataclass(frozen=True)
class Data(Part):
    """Data: names and sizes."""

    name: str = ""
    validation_examples: int | None = None
    test_examples: int | None = None
    classes: Sequence[str] = ()
    input_shape: Sequence[int] = ()
    faults: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Network(Part):
    """A trained network: `metrics` are the entries named `test_...` or `val_...`."""

    parameters: int | None = None
    macs: int | None = None
    bytes: int | None = None
    latency_ms: float | None = None
    seconds: float | None = None
    spent: float | None = None
    history: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)
    confusion: Sequence[Sequence[int]] | None = None  # a row for each true class, a column for what it was taken for
    labels: Sequence[Entries] | None = None
    residuals: Entries | None = None
    trainings: int = 1  # whose networks it is the mean of
    views: int = 1  # of each sample, over which its answers are means
    linear: Entries | None = None  # "words", "samples", "weights", "losses", "network": its losses
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, name: str, entries: Any) -> Network:
        network = super().read(name, entries)
        metrics = {key: value for key, value in entries.items() if key.startswith(("test_", "val_"))}
        return dataclasses.replace(network, metrics=metrics)


@dataclasses.dataclass(frozen=True)
class Search(Part):
    """Search: its time, the parameters of its supernet, a number an epoch of each metric."""

    seconds: float | None = None
    parameters: int | None = None
    history: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Contestant(Part):
    """A network of a race, and what it reached in its heat and in each rung."""

    kind: str
    rungs: Sequence[Entries] = ()  # of each "accuracy", "expected", "steps", "seconds"
    heat: Entries | None = None
    outcome: str = ""
    parameters: int | None = None
    macs: int | None = None
    step_seconds: float | None = None
    favorite: bool = False  # in doubt it wins

    @property
    def last(self) -> Entries | None:
        """Latest entry: of its last rung, else of its heat; None before either."""
        return self.rungs[-1] if self.rungs else self.heat


@dataclasses.dataclass(frozen=True)
class Race(Part):
    """A race: its contestants, its rungs `[networks, steps]`, the leads of its winner."""

    winner: str
    contestants: Mapping[str, Contestant]
    rungs: Sequence[Sequence[int]] = ()
    validation_samples: int = 0
    augment: Sequence[str] = ()
    kept: Mapping[str, float] = dataclasses.field(default_factory=dict)  # accuracy on such images
    comparison: Sequence[Entries] = ()  # of each "name", "rung", "difference", "error"
    initialization: Sequence[Entries] = ()
    baseline: Entries | None = None  # "name", "accuracy", "seconds"
    references: Sequence[Entries] = ()
    samples: str = "images"
    starts: Sequence[Entries] = ()
    seconds: float | None = None

    @classmethod
    def read(cls, name: str, entries: Any) -> Race:
        race = super().read(name, entries)
        contestants = {one: Contestant.read(f"{name}.{one}", entry) for one, entry in race.contestants.items()}
        return dataclasses.replace(race, contestants=contestants)

    @property
    def compared(self) -> dict[str, Contestant]:
        """Contestants that were trained and compared, by name."""
        return {name: contestant for name, contestant in self.contestants.items() if contestant.rungs}

    @property
    def ranked(self) -> list[tuple[str, Contestant]]:
        """Contestants by name: the winner, then those that came furthest, the best of them first."""

        def rank(item: tuple[str, Contestant]) -> tuple[bool, int, float]:
            name, one = item
            return name != self.winner, -len(one.rungs), -one.last["accuracy"] if one.last else math.inf

        return sorted(self.contestants.items(), key=rank)

    @property
    def heats(self) -> int:
        """Number of contestants that were compared on small samples alone."""
        return sum(contestant.heat is not None and not contestant.rungs for contestant in self.contestants.values())


@dataclasses.dataclass(frozen=True)
class Shortlist(Part):
    """A shortlist: of each rung the epochs, and the networks with their validation accuracy."""

    seconds: float | None = None
    rungs: Sequence[Entries] = ()  # of each "epochs", "steps", "networks": "genotype" and "val_accuracy"


@dataclasses.dataclass(frozen=True)
class Cost(Part):
    """Cost that a search kept low: of the networks, and of those under tighter limits."""

    name: str
    unit: str = ""
    target: float | None = None
    searched: float = math.nan
    random: Sequence[float] = ()
    front: Sequence[Entries] = ()  # of each "cost", "genotype"


@dataclasses.dataclass(frozen=True)
class Mixture(Part):
    """A mixture of a regression and networks: their weights, and what each part reaches."""

    weights: Mapping[str, float]
    smoothed: bool
    parts: Mapping[str, Mapping[str, float]]
    leads: Mapping[str, Entries] = dataclasses.field(default_factory=dict)
    seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class Lead(Part):
    """Lead of the searched network over random ones on the same samples, and its standard error."""

    difference: float
    error: float
    samples: int = 0


@dataclasses.dataclass(frozen=True)
class Exports(Part):
    """Files for other runtimes: format, size, latency, and how often they agree with the Keras model."""

    samples: int
    machine: str
    files: Sequence[Entries] = ()


@dataclasses.dataclass(frozen=True)
class Samples(Part):
    """Small images of the data, for the report: of the worst mistakes, and of each class; files that were left out."""

    mistakes: Sequence[Entries] = ()
    classes: Sequence[Entries] = ()
    left_out: Sequence[Entries] = ()


def _part(name: str, kind: type[Part]) -> Any:
    """Make the property of a record that reads a part; None where the record lacks it."""
    return cached_property(lambda record: kind.read(name, record[name]) if record.get(name) is not None else None)


class Record(Mapping):
    """Record of a run: a mapping of the entries of `result.json`, whose parts have types.

    Args:
        entries: as `result.json` has them. The properties and the parts above list them; whatever else is missing than
            `"genotype"` and `"searched"` is left out of a report.
        *needed: entries that are required besides `"searched"`.

    Raises:
        ValueError: if they are no mapping, of a newer version, or an entry is missing.
    """

    def __init__(self, entries: Entries, *needed: str):
        if not isinstance(entries, Mapping):
            raise ValueError(checks.invalid("result", "a mapping", entries))
        version = entries.get("version", VERSION)
        if type(version) is not int or not 1 <= version <= VERSION:
            raise ValueError(checks.invalid("result", f"a record of version {VERSION}, or earlier", version))
        self._entries = dict(entries)
        if missing := [repr(name) for name in (*needed, "searched") if entries.get(name) is None]:
            raise ValueError(
                f"Incomplete value received for argument `result`. Missing: {', '.join(missing)}. "
                f"Received keys: {sorted(map(str, entries))}"
            )

    @classmethod
    def of(cls, result: Entries, *needed: str) -> Record:
        """`result` as a record that has the entries `needed`; one is returned as it is."""
        return result if isinstance(result, Record) and not needed else cls(result, *needed)

    def __getitem__(self, name: str) -> Any:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Record({self._entries!r})"

    def to_dict(self) -> dict[str, Any]:
        """Return the entries, as `result.json` has them."""
        return dict(self._entries)

    def replace(self, **entries: Any) -> Record:
        """Return the record with other entries."""
        return Record({**self._entries, **entries})

    def required(self, name: str) -> Any:
        """Return a part.

        Raises:
            ValueError: if the record has none of this name.
        """
        if (part := getattr(self, name)) is None:
            raise ValueError(checks.invalid("result", f"the record of a {name}", sorted(self)))
        return part

    # What every run has ---------------------------------------------------------------------------------------
    @cached_property
    def genotype(self) -> Genotype:
        """Architecture."""
        return of_entry(self._entries["genotype"])

    @cached_property
    def searched(self) -> Network:
        """Network that was searched, or given."""
        return Network.read("searched", self._entries["searched"])

    @cached_property
    def dataset(self) -> Data:
        """Data."""
        return Data.read("dataset", self._entries.get("dataset") or {})

    @property
    def settings(self) -> Entries:
        """Settings, by name."""
        return self._entries.get("settings") or {}

    @property
    def environment(self) -> Entries:
        """Versions and machine."""
        return self._entries.get("environment") or {}

    @property
    def command(self) -> str:
        """Command that started the run; empty if it was not recorded."""
        return str(self._entries.get("command") or "")

    @property
    def version(self) -> str:
        """Version of KerasNAS; empty if it was not recorded."""
        return str(self._entries.get("kerasnas_version") or "")

    # What the networks reached --------------------------------------------------------------------------------
    @property
    def split(self) -> str:
        """Data that the networks were evaluated on: "test" or "validation"."""
        return "validation" if self._entries.get("evaluated_on") == "val" else "test"

    def metric(self, name: str, network: Network | None = None) -> float | None:
        """A metric of the searched network, or of another one, on these data; None if it was not recorded."""
        metrics = (self.searched if network is None else network).metrics
        return metrics.get(f"{self._entries.get('evaluated_on') or 'test'}_{name}")

    # What only some methods leave -----------------------------------------------------------------------------
    @cached_property
    def random(self) -> tuple[Network, ...]:
        """Random networks for comparison."""
        return tuple(Network.read("random", entries) for entries in self._entries.get("random") or ())

    @cached_property
    def search(self) -> Search:
        """Search; one without entries, if there was none."""
        return Search.read("search", self._entries.get("search") or {})

    race: Race | None = _part("race", Race)
    shortlist: Shortlist | None = _part("shortlist", Shortlist)
    cost: Cost | None = _part("cost", Cost)
    mixture: Mixture | None = _part("mixture", Mixture)
    paired: Lead | None = _part("paired", Lead)  # over random networks, sample by sample
    exports: Exports | None = _part("exports", Exports)

    @cached_property
    def samples(self) -> Samples:
        """Images for the report; none, unless they were added to the record."""
        return Samples.read("samples", self._entries.get("samples") or {})
