"""Tasks: what a network predicts of a sample: its class, several labels, or numbers."""

from kerasnas.tasks.base import TASKS, Task
from kerasnas.tasks.classification import Classification, SmoothedCrossentropy
from kerasnas.tasks.counts import Counts
from kerasnas.tasks.known import CLASSIFICATION, MULTILABEL, task_of, task_of_labels, task_of_loss
from kerasnas.tasks.multilabel import Multilabel
from kerasnas.tasks.regression import Regression

__all__ = [
    "CLASSIFICATION",
    "MULTILABEL",
    "TASKS",
    "Classification",
    "Counts",
    "Multilabel",
    "Regression",
    "SmoothedCrossentropy",
    "Task",
    "task_of",
    "task_of_labels",
    "task_of_loss",
]
