"""Executors run independent evaluations: in this process, in other processes of this machine, or on a cluster.

They share one contract, `Executor`: a function, a value shared by all calls, and items; results in the order of
completion or of the items. `kerasnas.runs.open_executor` opens one by name; `kerasnas.platforms.ray_executor` is Ray's.
"""

from kerasnas.executors.base import Executor

__all__ = [
    "Executor",
]
