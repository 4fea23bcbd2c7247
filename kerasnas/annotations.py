"""Names of types that signatures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of Keras' backend, or what its operations take for one. Keras ships no type that a checker could use."""

Tensors: TypeAlias = Sequence[Tensor]
"""The values of several variables, by position."""
