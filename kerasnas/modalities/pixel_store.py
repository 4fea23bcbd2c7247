"""Store of decoded images: an array, lazy images in memory, or a cache file that the next run finds again."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas.executors.base import cores
from kerasnas.files import leftovers, storage, untrusted
from kerasnas.modalities.lazy_images import LazyImages

_FEW_BYTES = 2**26  # of pixels, whose float32 values take four times as much
_MOST_MEMORY = 0.7  # of the machine's
# Bytes of memory for each pixel value: an array is held as float32 too; of lazy images, a test part of a fifth is.
_ARRAY, _LAZY, _IN_FILE = 5, 2, 1
_MOST_THREADS, _AT_ONCE = 8, 256  # a thread decodes one image: of 12 megapixels 36 MB, unless it is a JPEG
_PIXELS, _RECORD = "pixels.bin", "record.json"
_UNUSED = 30 * 24 * 3600.0  # seconds after which an entry is removed


def store_pixels(
    files: Sequence[Path],
    size: tuple[int, int],
    channels: int,
    decode: Callable[[Path, tuple[int, int]], np.ndarray],
    cache: Path,
    settings: Any,
    fixed: bool,
) -> tuple[Any, Mapping[Path, str], tuple[int, int], tuple[str, ...]]:
    """Decode files: up to 64 MiB of pixels into an array, more into a file of the cache, as lazy images.

    Without room for the file the bytes are held in memory, at a smaller size if they have to be.

    Args:
        files: the images.
        size, channels: of the result.
        decode: `(file, size)` -> pixels; raises ValueError for a file that is damaged.
        cache: the folder of the cache.
        settings: JSON-serializable; what else `decode` depends on.
        fixed: whether the size was asked for, so that a smaller one would not do.

    Returns:
        The pixels, uint8 `(samples, height, width, channels)`, an array or lazy images; for each file that is left out
        the reason; the size, smaller than asked for where no store has room for that; and lines on where they are held.

    Raises:
        ValueError: if they do not fit into memory.
    """
    shape = (*size, channels)
    needed, memory = len(files) * math.prod(shape), untrusted.memory()
    check_memory(len(files), size, channels, _ARRAY if needed <= _FEW_BYTES else _IN_FILE)
    if needed <= _FEW_BYTES:
        return *_decoded(files, shape, decode), size, ()
    gigabytes = f"{needed / 2**30:.1f} GiB of decoded images"
    try:
        file = PixelFile(cache, files, settings, shape)
        found = file.read()
        if found is None:
            print(f"Decoding {len(files):,} images to {file.path} ({needed / 2**30:.1f} GiB), which later runs reuse")
            found = file.write(lambda path: decode(path, size))
        return LazyImages(found[0]), found[1], size, (f"{gigabytes} are held in {file.path}",)
    except OSError as error:
        problem = f"The cache folder {cache} cannot hold {gigabytes} ({error})"
    room = _MOST_MEMORY * memory / (_LAZY * needed)
    if room < 1 and fixed:
        try:
            check_memory(len(files), size, channels, _LAZY)
        except ValueError as error:
            raise ValueError(f"{problem}. {error}") from None
    where = "they are held in memory"
    if room < 1:
        size = (max(1, int(size[0] * math.sqrt(room))), max(1, int(size[1] * math.sqrt(room))))
        where = f"{where}, at {size[0]}x{size[1]}"
    pixels, unreadable = _decoded(files, (*size, channels), decode)
    return LazyImages(pixels), unreadable, size, (f"{problem}: {where}",)


def check_memory(number: int, size: tuple[int, int], channels: int, each: int = _ARRAY) -> None:
    """Raise ValueError where images do not fit into the machine's memory, with `each` bytes for each pixel value."""
    needed, memory = each * number * math.prod(size) * channels, untrusted.memory()
    if needed > _MOST_MEMORY * memory:
        most = math.floor(min(size) * math.sqrt(_MOST_MEMORY * memory / needed))
        raise ValueError(
            f"{number:,} images of {size[0]}x{size[1]} take {needed / 2**30:.1f} GiB of memory, and this machine has "
            f"{memory / 2**30:.1f}. Choose a smaller size, of {most} pixels or fewer along the shorter side, such as "
            f"image_size={most}."
        )


def _decoded(
    files: Sequence[Path], shape: tuple[int, int, int], decode: Callable[[Path, tuple[int, int]], np.ndarray]
) -> tuple[np.ndarray, dict[Path, str]]:
    """Return the pixels of the files that can be read, and why each other cannot."""
    pixels, read = np.empty((len(files), *shape), np.uint8), 0
    unreadable: dict[Path, str] = {}
    for file, found in _in_turn(files, lambda path: decode(path, shape[:2])):
        if isinstance(found, ValueError):
            unreadable[file] = str(found)
            continue
        pixels[read] = found
        read += 1
    return pixels[:read], unreadable


def _in_turn(
    files: Sequence[Path], decode: Callable[[Path], np.ndarray]
) -> Iterator[tuple[Path, np.ndarray | ValueError]]:
    """Yield each file with its pixels or its error, decoded in threads: decoders hold no lock."""

    def attempt(file: Path) -> np.ndarray | ValueError:
        try:
            return decode(file)
        except ValueError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(min(cores(), _MOST_THREADS)) as pool:
        for start in range(0, len(files), _AT_ONCE):
            some = files[start : start + _AT_ONCE]
            yield from zip(some, pool.map(attempt, some), strict=True)


class PixelFile:
    """Decoded images of one size in a folder of their own, memory-mapped.

    Args:
        folder: the cache, with an entry for each set of images.
        files: the images.
        settings: JSON-serializable; how they are decoded. With the files' paths, sizes and times of change they are the
            key of the entry.
        shape: `(height, width, channels)` of each.
    """

    def __init__(self, folder: Path, files: Sequence[Path], settings: Any, shape: tuple[int, int, int]):
        self.folder, self.files, self.shape = folder, files, shape
        known = [(str(file.resolve()), stat.st_size, stat.st_mtime_ns) for file in files for stat in (file.stat(),)]
        key = json.dumps([settings, shape, known])
        self.path = folder / hashlib.sha256(key.encode()).hexdigest()[:32]

    @property
    def bytes(self) -> int:
        """Size of the pixels."""
        return len(self.files) * math.prod(self.shape)

    def read(self) -> tuple[np.ndarray, dict[Path, str]] | None:
        """Return the pixels of the files that can be read, and why each other cannot; None without a whole entry."""
        try:
            record = untrusted.read_json(self.path / _RECORD)
            unreadable = {self.files[int(row)]: str(reason) for row, reason in record["unreadable"].items()}
            shape = (len(self.files) - len(unreadable), *self.shape)
            pixels = np.memmap(self.path / _PIXELS, np.uint8, "r", shape=shape)
        except (OSError, ValueError, KeyError, IndexError, AttributeError):
            return None
        with contextlib.suppress(OSError):
            os.utime(self.path)  # in use: see `_remove_unused`
        return pixels, unreadable

    def write(self, decode: Callable[[Path], np.ndarray]) -> tuple[np.ndarray, dict[Path, str]]:
        """Decode the files and write the entry, whole or not at all.

        Raises:
            OSError: if the folder cannot be written, or the disk has no room.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        leftovers.remove(self.folder)
        self._remove_unused()
        if self.bytes > (free := shutil.disk_usage(self.folder).free):
            raise OSError(f"{self.bytes / 2**30:.1f} GiB are needed, and {free / 2**30:.1f} are free")
        unreadable: dict[int, str] = {}
        with storage.atomic_folder(self.path) as temporary:
            # Written, not mapped: on a full disk a write is an error, and a mapped page the end of the process.
            with open(temporary / _PIXELS, "wb") as opened:
                for row, (_, pixels) in enumerate(_in_turn(self.files, decode)):
                    if isinstance(pixels, ValueError):
                        unreadable[row] = str(pixels)
                    else:
                        opened.write(np.ascontiguousarray(pixels).data)
            storage.write_json(temporary / _RECORD, {"unreadable": unreadable})
        found = self.read()
        if found is None:
            raise OSError(f"{self.path} could not be read back")
        return found

    def _remove_unused(self) -> None:
        """Remove entries that no run has read for a month."""
        for entry in self.folder.iterdir():
            with contextlib.suppress(OSError):
                if (entry / _RECORD).exists() and time.time() - entry.stat().st_mtime > _UNUSED:
                    shutil.rmtree(entry)
