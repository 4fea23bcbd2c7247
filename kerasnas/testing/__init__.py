"""Contract checks: run them on your own primitive, space, strategy, modality, ..., as KerasNAS does on its own.

Each returns None, or raises AssertionError that says what is wrong.
"""

from kerasnas.testing.modalities import check_modality
from kerasnas.testing.primitives import check_primitive
from kerasnas.testing.relaxations import check_relaxation
from kerasnas.testing.spaces import check_space
from kerasnas.testing.starts import check_start
from kerasnas.testing.strategies import check_strategy
from kerasnas.testing.tasks import check_task

__all__ = [
    "check_modality",
    "check_primitive",
    "check_relaxation",
    "check_space",
    "check_start",
    "check_strategy",
    "check_task",
]
