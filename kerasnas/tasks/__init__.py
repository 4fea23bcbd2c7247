"""Tasks: what a network predicts of a sample: its class, several labels, or numbers."""

from kerasnas.tasks import classification, counts, multilabel, regression  # noqa: F401  they register names
from kerasnas.tasks.base import TASKS, Task

__all__ = [
    "TASKS",
    "Task",
]
