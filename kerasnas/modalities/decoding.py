"""Files of images, decoded into arrays of bytes."""

from __future__ import annotations

import collections
import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageOps

from kerasnas import checks
from kerasnas.files import untrusted

Image.init()
# The decoders that files of strangers may reach, whatever their suffix says: others start programs (EPS, Ghostscript).
# AVIF is not in every Pillow, HEIF comes with `pillow_heif.register_heif_opener()`.
_FORMATS = tuple(
    name for name in ("PNG", "JPEG", "MPO", "BMP", "WEBP", "GIF", "TIFF", "AVIF", "HEIF") if name in Image.OPEN
)
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"),
    *(suffix for suffix in (".avif", ".heic", ".heif") if Image.registered_extensions().get(suffix) in _FORMATS),
)
LONGEST = 64
"""Pixels along the longer side at most, unless a size is asked for: photographs have thousands."""
_MOST_MEMORY = 0.7  # share of the machine's
_EXIF_ORIENTATION = 0x0112
T = TypeVar("T")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Number of channels -> Pillow's mode."""
FITS = ("stretch", "crop", "pad")
"""Ways to bring an image of another shape to size: distorted, its center, or all of it between black bars."""


@dataclasses.dataclass(frozen=True)
class Decoded:
    """Images of one size.

    Args:
        pixels: uint8 `(samples, height, width, channels)`.
        paths: the file of each.
        unreadable: file -> why it is left out.
        sizes: in words.
    """

    pixels: np.ndarray
    paths: Sequence[Path]
    unreadable: Mapping[Path, str]
    sizes: str


def read_pixels(
    paths: Sequence[Path],
    root: Path,
    image_size: tuple[int, int] | None = None,
    image_fit: str = "stretch",
    longest: int = LONGEST,
) -> Decoded:
    """Decode image files to one size, with one channel if all are grayscale, else three.

    Args:
        paths: the files.
        root: the folder that errors name them from.
        image_size, image_fit, longest: as for `read_folder`.

    Raises:
        ValueError: if none can be read, or they do not fit into memory.
    """
    unreadable: dict[Path, str] = {}
    headers = _readable(lambda path: _header(path, root), paths, unreadable)
    if not headers:
        raise ValueError(next(iter(unreadable.values())))
    sizes = [size for size, _ in headers.values()]
    size = image_size or _capped(collections.Counter(sizes).most_common(1)[0][0], longest)
    mode = "L" if all(grey for _, grey in headers.values()) else "RGB"
    _check_memory(len(headers), size, len(mode))
    found = _readable(lambda path: _pixels(path, root, size, mode, image_fit), headers, unreadable)
    pixels = np.stack([*found.values()]) if found else np.zeros((0, *size), np.uint8)
    return Decoded(pixels.reshape(len(found), *size, len(mode)), list(found), unreadable, _sizes(sizes, size))


def pixels_of_files(
    paths: Iterable[str | os.PathLike],
    image_size: tuple[int, int] | None = None,
    image_fit: str = "stretch",
    channels: int | None = None,
) -> np.ndarray:
    """The pixels of image files, all of which can be read: uint8 `(samples, height, width, channels)`.

    Args:
        paths: the files.
        image_size, image_fit: as for `read_folder`.
        channels: Defaults to None: one if all are grayscale, else three.

    Raises:
        ValueError: if one cannot be read, or they do not fit into memory.
    """
    files = [Path(path) for path in paths]
    if channels is not None and image_size is not None:
        pixels = [_pixels(path, Path(), image_size, MODES[channels], image_fit) for path in files]
    else:
        found = read_pixels(list(dict.fromkeys(files)), Path(), image_size, image_fit)
        if found.unreadable:
            raise ValueError(next(iter(found.unreadable.values())))
        rows = {path: row for row, path in enumerate(found.paths)}
        return found.pixels[[rows[path] for path in files]]
    return _with_channels(pixels)


def pixels_of_images(
    images: Iterable[Image.Image],
    image_size: tuple[int, int] | None = None,
    image_fit: str = "stretch",
    channels: int | None = None,
) -> np.ndarray:
    """The pixels of images that Pillow has opened; arguments as for `pixels_of_files`.

    Args:
        images: they are iterated over twice, so that not all of them need be in memory.
        image_size, image_fit, channels: as there.

    Raises:
        ValueError: if one is none, or they do not fit into memory.

    Example:

    >>> pixels_of_images([Image.new("L", (8, 6)), Image.new("L", (8, 6)), Image.new("L", (9, 9))]).shape
    (3, 6, 8, 1)
    """
    headers = []
    for row, image in enumerate(images):
        if not isinstance(image, Image.Image):
            raise ValueError(checks.invalid("x", "an image in each row", f"{type(image).__name__} in row {row}"))
        upright = ImageOps.exif_transpose(image)
        headers.append(((upright.height, upright.width), _is_grey(image)))
    size = image_size or _capped(collections.Counter(size for size, _ in headers).most_common(1)[0][0])
    mode = MODES[channels] if channels else "L" if all(grey for _, grey in headers) else "RGB"
    _check_memory(len(headers), size, len(mode))
    return _with_channels([_fitted(_converted(ImageOps.exif_transpose(one), mode), size, image_fit) for one in images])


def _with_channels(pixels: Sequence[np.ndarray]) -> np.ndarray:
    found = np.stack(pixels)
    return found[..., None] if found.ndim == 3 else found


def _readable(read: Callable[[Path], T], paths: Iterable[Path], unreadable: dict[Path, str]) -> dict[Path, T]:
    """The result of `read` for each path; those that it cannot read go to `unreadable`, with the reason."""
    found = {}
    for path in paths:
        try:
            found[path] = read(path)
        except ValueError as error:
            unreadable[path] = str(error)
    return found


def _check_memory(number: int, size: tuple[int, int], channels: int) -> None:
    """Raise ValueError where so many images do not fit into the machine's memory, as bytes and then as float32."""
    needed, memory = 5 * number * math.prod(size) * channels, untrusted.memory()
    if memory is not None and needed > _MOST_MEMORY * memory:
        most = math.floor(min(size) * math.sqrt(_MOST_MEMORY * memory / needed))
        raise ValueError(
            f"{number:,} images of {size[0]}x{size[1]} take {needed / 2**30:.1f} GiB of memory, and this machine has "
            f"{memory / 2**30:.1f}. Choose a smaller size, of {most} pixels or fewer along the shorter side, such as "
            f"image_size={most}."
        )


def _capped(size: tuple[int, int], longest: int = LONGEST) -> tuple[int, int]:
    """`(height, width)` in the same proportion, but for rounding, whose longer side is `longest` at most.

    Example:

    >>> _capped((28, 28)), _capped((3000, 4000)), _capped((3000, 4000), 224)
    ((28, 28), (48, 64), (168, 224))
    """
    factor = min(1.0, longest / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _sizes(sizes: Sequence[tuple[int, int]], size: tuple[int, int]) -> str:
    """Height and width of the smallest and the largest image, and what they are brought to."""
    least, most = min(sizes, key=math.prod), max(sizes, key=math.prod)
    span = "x".join(map(str, least)) + ("" if least == most else f"..{'x'.join(map(str, most))}")
    return f"{span} -> {size[0]}x{size[1]}"


def check_image_size(value: Any) -> None:
    """Raise ValueError unless `value` is None or `(height, width)`."""
    expected = "(height, width), two positive integers"
    if value is None:
        return
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(checks.invalid("image_size", expected, value))
    try:
        for side in value:
            checks.size("image_size", side)
    except ValueError:
        raise ValueError(checks.invalid("image_size", expected, value)) from None


def read_image(path: Path, input_shape: tuple[int, ...], image_fit: str = "stretch") -> np.ndarray:
    """The pixels of an image file, upright, resized, of 8 bits: an array of `input_shape`, of 1, 3 or 4 channels.

    Args:
        path: the file.
        input_shape: `(height, width, channels)`.
        image_fit: one of `FITS`. Defaults to `"stretch"`.

    Raises:
        ValueError: if it cannot be read as an image.
    """
    height, width, channels = input_shape
    return _pixels(path, path.parent, (height, width), MODES[channels], image_fit).reshape(input_shape)


def image_files(path: Path) -> list[Path]:
    """The image files in a folder and in those below it, in the order of their names; a file is itself."""
    return sorted(one for one in path.rglob("*") if is_image(one)) if path.is_dir() else [path]


def is_image(path: Path) -> bool:
    """Return True if the name of a file is that of an image."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _open(path: Path, root: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """An image, upright; of a JPEG no more than what `size` needs is decoded, which makes photographs quick."""
    try:
        untrusted.check_regular(path)
        image = Image.open(path, formats=_FORMATS)
        if size is not None and image.format == "JPEG":
            longest = 2 * max(size)
            image.draft(None, (longest, longest))
        # Photographs are stored as the sensor was held, with a tag that tells how to rotate them.
        turned = image.format == "JPEG" and image.getexif().get(_EXIF_ORIENTATION, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except MemoryError:
        raise
    except Exception as error:  # of damaged bytes decoders raise nearly anything
        raise _unreadable(path, root, error) from error


def _unreadable(path: Path, root: Path, error: Exception) -> ValueError:
    shown = path.relative_to(root) if path.is_relative_to(root) else path
    return ValueError(f"{shown} cannot be read as an image: {error}")


def _header(path: Path, root: Path) -> tuple[tuple[int, int], bool]:
    """The image's (height, width), and True if it is grayscale; the pixels are not read."""
    with _open(path, root) as image:
        return (image.height, image.width), _is_grey(image)


def _is_grey(image: Image.Image) -> bool:
    return image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I")


def _pixels(path: Path, root: Path, size: tuple[int, int], mode: str, image_fit: str) -> np.ndarray:
    with _open(path, root, size) as image:
        try:
            image = _converted(image, mode)
        except MemoryError:
            raise
        except Exception as error:  # a truncated file shows only here
            raise _unreadable(path, root, error) from error
    return _fitted(image, size, image_fit)


def _converted(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which `convert` would clip
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert(mode)


def _fitted(image: Image.Image, size: tuple[int, int], image_fit: str) -> np.ndarray:
    if (image.height, image.width) != tuple(size):
        whole, bilinear = (size[1], size[0]), Image.Resampling.BILINEAR
        if image_fit == "crop":
            image = ImageOps.fit(image, whole, bilinear)
        elif image_fit == "pad":
            image = ImageOps.pad(image, whole, bilinear)
        else:
            image = image.resize(whole, bilinear)
    return np.asarray(image)
