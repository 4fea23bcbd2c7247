"""Where a search runs: one device, several, several machines, a TPU; on TensorFlow's own strategies."""

from kerasnas.distribution.cluster import ClusterError
from kerasnas.distribution.strategies import STRATEGIES, describe, resolve_strategy

__all__ = ["STRATEGIES", "ClusterError", "describe", "resolve_strategy"]
