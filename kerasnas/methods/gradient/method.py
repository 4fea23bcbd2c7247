"""The gradient search as a method of a run."""

from __future__ import annotations

from kerasnas.methods.assembly import make_space
from kerasnas.methods.gradient.settings import SearchConfig
from kerasnas.runs.method import METHODS, Method
from kerasnas.spaces.base import has_supernet


@METHODS.register("search")
class GradientSearch(Method):
    """A supernet, whose alphas learn by gradients, and a training of the network that they choose."""

    name, words, settings, option = "search", "a gradient search", SearchConfig, "gradient"

    def flags(self, settings: SearchConfig) -> list[str]:
        """The flags of the settings, and `--method` where no space is named."""
        flags = settings.flags()
        return flags if any(flag.startswith("--space=") for flag in flags) else ["--method=gradient", *flags]

    def suits(self, space: str | None, dataset: str) -> bool:
        """Whether a space is named that has a supernet."""
        return space is not None and has_supernet(space)

    def check(self, settings: SearchConfig) -> None:
        """Raise ValueError if there is no such space."""
        make_space(settings)
