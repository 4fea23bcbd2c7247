"""Executors: where independent evaluations run, in this process, in others of this machine, or on a cluster.

One contract, `Executor`: a function, what all of its calls share, and items; results as they are completed, or all of
them in order. `kerasnas.runs.open_executor` makes one of a name, and `kerasnas.platforms.ray_executor` is Ray's.
"""

from kerasnas.executors.base import Executor, Kept, Local, WorkerLostError, cores, thread_limits
from kerasnas.executors.processes import Processes

__all__ = ["Executor", "Kept", "Local", "Processes", "WorkerLostError", "cores", "thread_limits"]
