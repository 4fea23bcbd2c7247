"""Diagnostics: strategies compared on tables, the time of a search step, and an examination of the machine."""

from kerasnas.diagnostics.comparison import compare
from kerasnas.diagnostics.doctor import DoctorConfig, examine
from kerasnas.diagnostics.step_timing import measure
from kerasnas.runs.settings import ComparisonConfig, TimingConfig

__all__ = ["ComparisonConfig", "DoctorConfig", "TimingConfig", "compare", "examine", "measure"]
