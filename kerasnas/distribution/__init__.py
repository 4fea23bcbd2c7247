"""Distributed search on one or several devices, several machines, or a TPU, by TensorFlow's own strategies."""

from kerasnas.distribution.resolve import resolve_strategy

__all__ = [
    "resolve_strategy",
]
