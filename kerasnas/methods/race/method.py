"""The race as a method of a run."""

from __future__ import annotations

from kerasnas.methods.race.settings import RaceConfig
from kerasnas.runs.method import Method
from kerasnas.spaces.base import has_supernet


class RaceMethod(Method):
    """Whole networks side by side, within a budget of time."""

    name, words, settings, option = "race", "a race", RaceConfig, "race"
    way = "Add --method=race."

    def flags(self, settings: RaceConfig) -> list[str]:
        """The flags of the settings, and `--method` for a space that gradients would search by default."""
        return [*(["--method=race"] if has_supernet(settings.space) else []), *settings.flags()]

    def suits(self, space: str | None, dataset: str) -> bool:
        """True: a race takes whatever no other method does."""
        return True
