"""Tensors of a PyTorch `.pth` file, read as data: no code in it is run, and no PyTorch is needed."""

from __future__ import annotations

import math
import os
import pickletools
from collections.abc import Callable
from typing import IO, Any

import numpy as np

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_TYPES: dict[str, np.dtype[Any]] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch DoubleStorage": np.dtype("<f8"),
    "torch HalfStorage": np.dtype("<f2"),
    "torch LongStorage": np.dtype("<i8"),
    "torch IntStorage": np.dtype("<i4"),
}
_ORDERED, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_MARK = object()
_MOST = 2**33  # bytes


def read_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict that PyTorch saved in its first format, by name.

    The file's instructions are interpreted by a table of those that build dictionaries of tensors. Any other, a call of
    anything else above all, is refused, so that a hostile file is at most an error.

    Args:
        path: the file. Later versions of PyTorch save another format, a zip file, unless asked for this one.

    Raises:
        ValueError: for a damaged or foreign file, or one with more than tensors in it.
    """
    try:
        with open(path, "rb") as file:
            return _tensors(file)
    except ValueError as error:
        raise ValueError(f"Cannot read the tensors of {path}: {error}") from None


def _tensors(file: IO[bytes]) -> dict[str, np.ndarray]:
    size = os.fstat(file.fileno()).st_size
    if size > _MOST:
        raise ValueError(f"it has {size:,} bytes; expected at most {_MOST:,}")
    if _interpreted(file) != _MAGIC or _interpreted(file) != _PROTOCOL:
        raise ValueError("it is no state dict in PyTorch's first format")
    _interpreted(file)  # sizes of integers on the machine that wrote it
    state, keys = _interpreted(file), _interpreted(file)
    if not isinstance(state, dict) or not isinstance(keys, list):
        raise ValueError("expected a dictionary of tensors")
    found = {}
    values = _storages(file, keys, [one for one in state.values() if isinstance(one, _Tensor)], size)
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise ValueError(f"expected a tensor under each name; {name!r} is none")
        found[name] = tensor.array(values[tensor.storage.key])
    return found


class _Storage:
    """Numbers of one type, which tensors are views of."""

    def __init__(self, kind: Any, key: Any, numbers: Any):
        if kind not in _TYPES or not isinstance(key, str) or not _is_count(numbers):
            raise ValueError("a storage of an unknown kind")
        self.dtype, self.key, self.numbers = _TYPES[kind], key, numbers


class _Tensor:
    """A contiguous or strided view of a storage."""

    def __init__(self, storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any):
        if not isinstance(storage, _Storage) or not all(isinstance(one, tuple) for one in (shape, strides)):
            raise ValueError("a tensor without a storage")
        if len(shape) != len(strides) or not all(map(_is_count, (offset, *shape, *strides))):
            raise ValueError("a tensor of an impossible shape")
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if math.prod(shape) > storage.numbers or (math.prod(shape) and last >= storage.numbers):
            raise ValueError("a tensor larger than its storage")
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self, numbers: np.ndarray) -> np.ndarray:
        """Return the tensor, given the numbers of its storage."""
        strides = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides).copy()


def _storages(file: IO[bytes], keys: list[Any], tensors: list[_Tensor], size: int) -> dict[str, np.ndarray]:
    """Return the numbers of each storage, which follow the instructions in the order of `keys`."""
    known = {tensor.storage.key: tensor.storage for tensor in tensors}
    if len(set(keys)) != len(keys) or set(known) != set(keys):
        raise ValueError("its storages are not those of its tensors")
    found = {}
    for key in keys:
        storage = known[key]
        length = file.read(8)
        if len(length) < 8 or int.from_bytes(length, "little") != storage.numbers:
            raise ValueError(f"storage {key} has another length than its tensors expect")
        if storage.numbers * storage.dtype.itemsize > size - file.tell():
            raise ValueError("it ends too early")
        found[key] = np.frombuffer(file.read(storage.numbers * storage.dtype.itemsize), storage.dtype)
    if file.read(1):
        raise ValueError("there is more in it than its tensors")
    return found


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _interpreted(file: IO[bytes]) -> Any:
    """Return the value that the next instructions of the file build."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    try:
        for code, argument, _ in pickletools.genops(file):
            if code.name == "STOP":
                (value,) = stack
                return value
            if code.name in ("BINPUT", "LONG_BINPUT"):
                memo[argument] = stack[-1]
            elif code.name in ("BINGET", "LONG_BINGET"):
                stack.append(memo[argument])
            elif code.name in _VALUES:
                stack.append(_VALUES[code.name](argument))
            elif code.name in _ON_STACK:
                _ON_STACK[code.name](stack)
            elif code.name != "PROTO":
                raise ValueError(f"it asks for {code.name}, which no dictionary of tensors needs")
    except (IndexError, KeyError, TypeError, AttributeError, MemoryError, OverflowError) as error:
        raise ValueError(f"its instructions make no sense ({type(error).__name__})") from None
    raise ValueError("it ends too early")


def _since_mark(stack: list[Any]) -> list[Any]:
    """Take what lies above the last mark off the stack."""
    start = len(stack) - 1 - stack[::-1].index(_MARK)
    values = stack[start + 1 :]
    del stack[start:]
    return values


def _take(number: int) -> Callable[[list[Any]], None]:
    """Return the instruction that makes a tuple of the last values."""

    def make(stack: list[Any]) -> None:
        stack[-number:] = [tuple(stack[-number:])]

    return make


def _load(stack: list[Any]) -> None:
    """Make a storage of a description: its kind, its key, its device, its length."""
    what, kind, key, _, numbers, *_ = stack.pop()
    if what != "storage":
        raise ValueError(f"it refers to a {what!r}")
    stack.append(_Storage(kind, key, numbers))


def _call(stack: list[Any]) -> None:
    """Make what a name and its arguments say: an empty dictionary, or a tensor."""
    arguments, name = stack.pop(), stack.pop()
    if name == _ORDERED and arguments == ():
        stack.append({})
    elif name == _TENSOR:
        stack.append(_Tensor(*arguments))
    else:
        raise ValueError(f"it calls {name!r}, which makes no tensor")


def _append(stack: list[Any]) -> None:
    values = _since_mark(stack)
    stack[-1].extend(values)


def _set_items(stack: list[Any]) -> None:
    values = _since_mark(stack)
    stack[-1].update(zip(values[::2], values[1::2], strict=True))


def _set_item(stack: list[Any]) -> None:
    value, key = stack.pop(), stack.pop()
    stack[-1][key] = value


_VALUES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "GLOBAL"), lambda value: value),
    **dict.fromkeys(("LONG1", "BININT", "BININT1", "BININT2"), lambda value: value),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "MARK": lambda _: _MARK,
}
_ON_STACK: dict[str, Callable[[list[Any]], Any]] = {
    "TUPLE": lambda stack: stack.append(tuple(_since_mark(stack))),
    "TUPLE1": _take(1),
    "TUPLE2": _take(2),
    "TUPLE3": _take(3),
    "APPENDS": _append,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "BINPERSID": _load,
    "REDUCE": _call,
    "BUILD": lambda stack: stack.pop(),  # versions of layers, which a state dict carries beside its tensors
}
