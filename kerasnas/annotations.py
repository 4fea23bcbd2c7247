"""Types that signatures share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of Keras' backend, or a value that its operations accept. Keras ships no type for type checkers."""

Tensors: TypeAlias = Sequence[Tensor]
"""The values of several variables, by position."""

Log: TypeAlias = Callable[[str], Any]
"""What lines for a person are passed to, such as `print`."""
