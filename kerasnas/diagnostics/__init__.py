"""Diagnostics: strategies compared on tables, the time of a search step, and an examination of the machine."""

from kerasnas.diagnostics.comparison import ComparisonConfig, compare
from kerasnas.diagnostics.doctor import DoctorConfig, examine
from kerasnas.diagnostics.step_timing import TimingConfig, measure

__all__ = ["ComparisonConfig", "DoctorConfig", "TimingConfig", "compare", "examine", "measure"]
