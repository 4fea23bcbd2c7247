"""Everything that knows KerasTuner: architecture search through `tuner.search(...)`."""

from tuners.hypermodels import GenotypeHyperModel

__all__ = ["GenotypeHyperModel"]
