"""Published tables of trained architectures."""

from kerasnas.tabular.table import Evaluation, Table

__all__ = ["Evaluation", "Table"]
