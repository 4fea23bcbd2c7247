"""Bounded readers for untrusted files: JSON and arrays; every defect is an error of one line."""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
import zipfile
from typing import IO, Any

import numpy as np

from kerasnas.wording import first_line, shortened

_MOST_TEXT = 2**28  # bytes: a parsed file takes some ten times as many
_KINDS: dict[type, str] = {dict: "an object", list: "a list"}
_CONTAINER_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_LONGEST = 60  # characters of a name or a shape that a message shows
_MOST_MEMORY = 0.5  # share of the machine's that the arrays of a file may take


def parse_json(text: str | bytes, kind: type | tuple[type, ...] = object) -> Any:
    """Return the value of a JSON text, however deep or damaged the text is.

    Example:

    >>> parse_json('{"a": [1, 2]}', dict)
    {'a': [1, 2]}
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
        ...
    ValueError: It is nested too deep
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("It is nested too deep") from None
    except ValueError as error:
        raise ValueError(f"It is no JSON, or a part of one: {error}") from None
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(_KINDS.get(one, one.__name__) for one in kinds)
        raise ValueError(f"Expected JSON of {expected}. Received: {type(value).__name__}")
    return value


def read_bytes(path: str | os.PathLike, most: int = _MOST_TEXT) -> bytes:
    """Return the content of a file."""
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise ValueError(f"It has {size:,} bytes. Expected at most {most:,}")
        return file.read(most)


def read_text(path: str | os.PathLike, most: int = _MOST_TEXT) -> str:
    """Return the text of a file; arguments as for `read_bytes`."""
    try:
        return read_bytes(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"It is no text in UTF-8: {error.reason} at byte {error.start:,}") from None


def read_json(path: str | os.PathLike, kind: type | tuple[type, ...] = dict) -> Any:
    """Return the value of a JSON file."""
    try:
        return parse_json(read_text(path), kind)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} is malformed: {error}") from None


def read_arrays(source: str | os.PathLike | IO[bytes]) -> dict[str, np.ndarray]:
    """Return the arrays of an `.npz` file, none of which may claim more than the file holds; nothing is unpickled.

    What each array claims to be, its shape and its type, is read before memory is taken.
    """
    with _opened(source) if isinstance(source, (str, os.PathLike)) else contextlib.nullcontext(source) as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("Not an .npz file (np.savez makes one), or a truncated one")
        file.seek(0)
        try:
            _check_claims(file)
            file.seek(0)
            with np.load(file, allow_pickle=False) as opened:
                return {name: opened[name] for name in opened.files}
        except _ClaimError as error:
            raise ValueError(str(error)) from None
        except Exception as error:  # of damaged bytes zipfile, its decoders and NumPy raise nearly anything
            damage = f"Expected whole arrays of numbers, not of Python objects ({first_line(error)[:200]})"
            raise ValueError(damage) from error


def check_regular(path: str | os.PathLike) -> None:
    """Raise an error for a pipe, which may never say anything, and for a device, which may never end."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError("Expected a file. Received: a device or a pipe")


def archive_names(path: str | os.PathLike) -> list[str]:
    """Return the names of the members of a zip file, which together claim no more than half of the machine's memory."""
    with _opened(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                names = archive.namelist()
                size = sum(info.file_size for info in archive.infolist())
        except Exception as error:  # as above
            raise ValueError(f"It is no whole zip file: {error}") from error
    if size > _MOST_MEMORY * (most := memory()):
        raise ValueError(f"It holds {_amount(size)}, and this machine has {_amount(most)} of memory")
    return names


def memory() -> float:
    """Return the bytes of memory of this machine, or of this container; infinity where the system does not say."""
    found = [math.inf]
    with contextlib.suppress(AttributeError, ValueError, OSError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in _CONTAINER_LIMITS:
        with contextlib.suppress(ValueError, OSError), open(limit, encoding="ascii") as file:  # "max": there is none
            found.append(int(file.read(32)))
    return min(found)


class _ClaimError(Exception):
    """Words on what an array claims to be."""


def _check_claims(file: IO[bytes]) -> None:
    """Raise `_ClaimError` unless each member of a zip file is an array of as many bytes as its header says."""
    whole = 0
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            name = shortened(info.filename.removesuffix(".npy"), _LONGEST)
            with archive.open(info) as member:
                shape, dtype = _header(member, name)
                number = math.prod(map(int, shape))
                size, held = number * dtype.itemsize, info.file_size - member.tell()
            if dtype.hasobject:
                raise _ClaimError(f"Expected arrays of numbers, not of Python objects. Received: the array '{name}'")
            if min(shape, default=0) < 0 or size != held or (dtype.itemsize == 0 and number):
                shown, kind = shortened(str(shape), _LONGEST), shortened(str(dtype), _LONGEST)
                raise _ClaimError(
                    f"The array '{name}' says that it is of shape {shown} and dtype {kind}, "
                    f"{_amount(size)}, and the file has {_amount(held)} of it"
                )
            whole += size
    if whole > _MOST_MEMORY * (most := memory()):
        raise _ClaimError(f"Its arrays take {_amount(whole)}, and this machine has {_amount(most)} of memory")


def _header(member: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and the type that an array in the format of NumPy says it has."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        version = np.lib.format.read_magic(member)
    except ValueError:
        raise _ClaimError(f"Expected arrays alone. Received: '{name}', which is none") from None
    if version not in readers:
        raise _ClaimError(f"The array '{name}' is of version {version} of NumPy's format. Expected 1.0 or 2.0")
    shape, _, dtype = readers[version](member)
    return shape, dtype


def _amount(size: float) -> str:
    """Bytes in words; of an array that claims to be endless too.

    Example:

    >>> _amount(12), _amount(3 * 2**40), _amount(10**400)
    ('12 bytes', '3,072.0 GiB', 'more than 2**63 bytes')
    """
    if abs(size) > 2**63:
        return "more than 2**63 bytes"
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size:,} bytes"


def _opened(path: str | os.PathLike) -> IO[bytes]:
    check_regular(path)
    return open(path, "rb")
