"""Floating-point operations and bytes of an operation of a graph, from the sizes of its tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

Size = tuple[tuple[int, ...], int]
"""Shape of a tensor, and bytes of an element."""

_CONVOLUTION = re.compile(r"(Depthwise)?Conv(?:2d|2D|3D)")
_PRODUCT = re.compile(r"(?:Fused)?(?:Batch)?MatMul(?:V2|V3)?")
PASSED_ON = frozenset({"AssignVariableOp", "ExpandDims", "Identity", "OptionalFromValue", "OptionalGetValue"})
PASSED_ON |= {"ReadVariableOp", "Reshape", "Squeeze"}
"""Kinds whose result is their operand: no bytes are moved."""
PARTS = frozenset({"GatherV2", "Slice", "StridedSlice"})
"""Kinds that read as much as they return, whatever they are given."""
MOVES = PASSED_ON | PARTS
MOVES |= {"BatchToSpaceND", "BroadcastTo", "Cast", "ConcatV2", "Fill", "IteratorGetNext", "MirrorPad", "OneHot", "Pack"}
MOVES |= {"Pad", "PadV2", "ReverseV2", "SpaceToBatchND", "Split", "SplitV", "StridedSliceGrad", "Tile", "Transpose"}
MOVES |= {"Unpack", "ZerosLike"}
"""Kinds that compute nothing."""


def plain(kind: str) -> str:
    """Return the name of a kind without the library that computes it.

    >>> plain("_MklNativeConv2DBackpropFilter"), plain("_FusedConv2D"), plain("_MklMatMul"), plain("Relu")
    ('Conv2DBackpropFilter', 'FusedConv2D', 'MatMul', 'Relu')
    """
    return re.sub(r"^_(Mkl)?(Native)?", "", kind)


def flops(kind: str, operands: Sequence[Size], results: Sequence[Size], equation: str = "") -> int:
    """Return the floating-point operations of a kind by its `plain` name.

    Convolutions, their gradients and matrix products: two for each multiply-add, those with padding included, without
    the bias and the activation that are fused to them. None for `MOVES`. Others: one for each element of the largest
    operand or result, however many they take.

    >>> flops("Conv2D", [((32, 8, 8, 3), 4), ((3, 3, 3, 16), 4)], [((32, 8, 8, 16), 4)])
    1769472
    >>> flops("AddV2", [((32, 8), 4), ((8,), 4)], [((32, 8), 4)])
    256
    """
    shapes, made = [shape for shape, _ in operands], [shape for shape, _ in results]
    if found := _CONVOLUTION.search(kind):
        output = shapes[2] if "Backprop" in kind else made[0]
        kernel = made[0] if "BackpropFilter" in kind else shapes[1]
        channels = kernel[-2:] if found[1] else kernel[-1:]
        return 2 * math.prod(output) * math.prod(kernel) // max(math.prod(channels), 1)
    if _PRODUCT.fullmatch(kind):
        rows_columns = max(math.prod(made[0][-2:]), 1)
        inner = math.isqrt(math.prod(shapes[0][-2:]) * math.prod(shapes[1][-2:]) // rows_columns)
        return 2 * math.prod(made[0]) * inner
    if equation:
        named = zip(equation.partition("->")[0].split(","), shapes, strict=True)
        lengths = {axis: length for axes, shape in named for axis, length in zip(axes, shape, strict=False)}
        return (2 if len(shapes) > 1 else 1) * math.prod(lengths.values())
    return 0 if kind in MOVES else max(map(math.prod, [*shapes, *made]), default=0)


def traffic(kind: str, operands: Sequence[Size], results: Sequence[Size]) -> int:
    """Return the bytes of the operands and results of a kind by its `plain` name, each once; none for `PASSED_ON`.

    Variables that an operation changes through their handle are not in it.

    >>> traffic("AddV2", [((32, 8), 4), ((8,), 4)], [((32, 8), 4)])
    2080
    """
    if kind in PASSED_ON:
        return 0
    return sum(math.prod(shape) * size for shape, size in [*(results if kind in PARTS else operands), *results])
