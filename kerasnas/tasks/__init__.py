"""Tasks: what a network predicts of a sample: its class, several labels, or numbers."""

from kerasnas.tasks.base import TASKS, Task
from kerasnas.tasks.classification import Classification
from kerasnas.tasks.counts import Counts
from kerasnas.tasks.multilabel import Multilabel
from kerasnas.tasks.regression import Regression

__all__ = [
    "TASKS",
    "Classification",
    "Counts",
    "Multilabel",
    "Regression",
    "Task",
]
