"""The gradient search as a method of a run."""

from __future__ import annotations

from typing import Any

from kerasnas.methods.assembly import make_space
from kerasnas.methods.gradient.settings import SearchConfig
from kerasnas.runs.method import Method
from kerasnas.spaces import SPACES
from kerasnas.spaces.base import has_supernet


class GradientSearch(Method):
    """A supernet, whose alphas learn by gradients, and a training of the network that they choose."""

    name, words, settings, option = "search", "a gradient search", SearchConfig, "gradient"
    way = "Add --space=darts, or another space with a supernet."

    def flags(self, settings: SearchConfig) -> list[str]:
        """The flags of the settings, and `--method` where no space is named."""
        flags = settings.flags()
        return flags if any(flag.startswith("--space=") for flag in flags) else ["--method=gradient", *flags]

    def suits(self, space: str | None, dataset: str) -> bool:
        """Whether a space is named that has a supernet."""
        return space is not None and has_supernet(space)

    def check_space(self, space: str | None) -> None:
        """Raise ValueError for a space without a supernet."""
        if space is not None and not has_supernet(space):
            raise ValueError(f"Space '{space}' has no supernet for a gradient search. Race it: leave out --method.")

    def network_settings(self, settings: SearchConfig) -> dict[str, Any]:
        """The settings that build its networks: of the sizes that they are not resized to, those of the search."""
        sizes = getattr(SPACES[settings.space], "sizes", ())
        searched = {"retrain_filters": "filters", "retrain_cells": "num_cells"}
        kept = {name: getattr(settings, size) for name, size in searched.items() if size not in sizes}
        return {**super().network_settings(settings), **kept}

    def check(self, settings: SearchConfig) -> None:
        """Raise ValueError if there is no such space."""
        make_space(settings)
