"""Files of images, decoded into arrays of bytes."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import PIL
from PIL import Image, ImageOps

from kerasnas import checks
from kerasnas.files import storage, untrusted
from kerasnas.modalities.pixel_store import check_memory, store_pixels

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
_EXIF_ORIENTATION = 0x0112
_JPEGS = ("JPEG", "MPO")  # phones write the latter
_QUARTER_TURNED = (5, 6, 7, 8)  # orientations
T = TypeVar("T")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Number of channels -> Pillow's mode."""
TRAITS = ("image height", "image width", "file format", "file size")
"""What files have besides their pixels."""
FITS = ("stretch", "crop", "pad")
"""Ways to bring an image of another shape to size: distorted, its center, or all of it between black bars."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """Conversion of samples of files and tables into arrays.

    Args:
        shape: of one raw sample, where a network takes no other; of images `(height, width, channels)`. Defaults to
            None: as the samples come.
        size: `(height, width)` that images are brought to. Defaults to None: the most common one.
        fit: how images of other shapes are brought to size, one of `FITS`. Defaults to `"stretch"`.
        longest: pixels along the longer side of an image at most, unless a size is given. Defaults to 64.
        scale: largest raw value of an image. Defaults to 255.
        text_column: column of texts in a table. Defaults to "": the one with a usual name.
    """

    shape: tuple[int, ...] | None = None
    size: tuple[int, int] | None = None
    fit: str = "stretch"
    scale: float = 255.0
    text_column: str = ""
    longest: int = LONGEST

    def scaled(self, pixels: Any) -> Any:
        """Return pixels of 8 bits in the range from 0 to `scale`."""
        return pixels if self.scale == 255 else pixels * np.float32(self.scale / 255)

    @property
    def of_images(self) -> tuple[tuple[int, int] | None, int | None]:
        """`(height, width)` and number of channels of images; None for what follows from the images."""
        if self.shape is None or len(self.shape) != 3:  # arrays may have no axis of channels
            return self.size, None
        height, width, channels = self.shape
        return (height, width), channels


@dataclasses.dataclass(frozen=True)
class Decoded:
    """Samples of one shape, decoded from files of one each.

    Args:
        samples: of images uint8 `(samples, height, width, channels)`, an array or lazy images; see `store_pixels`.
        paths: the file of each.
        unreadable: file -> why it is left out.
        notes: their sizes in words; then lines on how they were brought to one shape, and where they are held.
        traits: file -> a number for each of the modality's `traits`.
        more: what else an `.npz` file of such samples has. Defaults to nothing.
    """

    samples: Any
    paths: Sequence[Path]
    unreadable: Mapping[Path, str]
    notes: tuple[str, ...]
    traits: Mapping[Path, tuple[int, ...]]
    more: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def of(self, paths: Iterable[Path]) -> Any:
        """Return the samples of these files, in this order."""
        rows = {path: row for row, path in enumerate(self.paths)}
        return self.samples[np.array([rows[path] for path in paths], int)]


def read_pixels(paths: Sequence[Path], root: Path | None, reading: Reading, cache: Path | None = None) -> Decoded:
    """Decode image files to one size, with one channel if all are grayscale, else three, unless a shape is given.

    Args:
        paths: the files.
        root: the folder that errors name them from; None for the name of the file alone.
        reading: how they are brought to size.
        cache: folder for decoded images that do not fit into memory. Defaults to None: `"decoded"` in the cache folder.

    Raises:
        ValueError: if none can be read, or they do not fit into memory.
    """
    unreadable: dict[Path, str] = {}
    headers = readable(lambda path: _header(path, root), paths, unreadable)
    asked, channels = reading.of_images
    if not headers and (asked is None or channels is None):
        raise ValueError(next(iter(unreadable.values())))
    size, mode = _size_and_mode(list(headers.values()), reading)

    def decode(path: Path, size: tuple[int, int]) -> np.ndarray:
        return _pixels(path, root, size, mode, reading.fit).reshape(*size, len(mode))

    cache = storage.cache_folder() / "decoded" if cache is None else cache
    settings, fixed = [mode, reading.fit, PIL.__version__], asked is not None
    pixels, failed, size, notes = store_pixels(list(headers), size, len(mode), decode, cache, settings, fixed)
    read = [path for path in headers if path not in failed]
    words = [_sizes([found for found, _ in headers.values()], size)] if headers else []
    kinds = {kind: number for number, kind in enumerate(sorted({path.suffix.lower() for path in read}))}
    traits = {path: (*headers[path][0], kinds[path.suffix.lower()], path.stat().st_size) for path in read}
    return Decoded(pixels, read, {**unreadable, **failed}, (*words, *notes), traits)


def pixels_of_images(images: Iterable[Image.Image], reading: Reading) -> np.ndarray:
    """The pixels of images that Pillow has opened: uint8 `(samples, height, width, channels)`.

    Args:
        images: they are iterated over twice, so that not all of them need be in memory.
        reading: how they are brought to size.

    Raises:
        ValueError: if one is none, or they do not fit into memory.

    Example:

    >>> pixels_of_images([Image.new("L", (8, 6)), Image.new("L", (8, 6)), Image.new("L", (9, 9))], Reading()).shape
    (3, 6, 8, 1)
    """
    headers = []
    for row, image in enumerate(images):
        if not isinstance(image, Image.Image):
            raise ValueError(checks.invalid("x", "an image in each row", f"{type(image).__name__} in row {row}"))
        upright = ImageOps.exif_transpose(image)
        headers.append(((upright.height, upright.width), _is_grey(image)))
    size, mode = _size_and_mode(headers, reading)
    check_memory(len(headers), size, len(mode))
    found = np.stack([_fitted(_converted(ImageOps.exif_transpose(one), mode), size, reading.fit) for one in images])
    return found.reshape(len(headers), *size, len(mode))


def _size_and_mode(headers: Sequence[tuple[tuple[int, int], bool]], reading: Reading) -> tuple[tuple[int, int], str]:
    """Return what images are brought to, given the size of each, and whether it is grayscale."""
    size, channels = reading.of_images
    size = size or _capped(collections.Counter(size for size, _ in headers).most_common(1)[0][0], reading.longest)
    return size, MODES[channels] if channels else "L" if all(grey for _, grey in headers) else "RGB"


def readable(read: Callable[[Path], T], paths: Iterable[Path], unreadable: dict[Path, str]) -> dict[Path, T]:
    """Return the result of `read` for each path; those that it cannot read go to `unreadable`, with the reason."""
    found = {}
    for path in paths:
        try:
            found[path] = read(path)
        except ValueError as error:
            unreadable[path] = str(error)
    return found


def _capped(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """`(height, width)` in the same proportion, but for rounding, whose longer side is `longest` at most.

    Example:

    >>> _capped((28, 28), 64), _capped((3000, 4000), 64), _capped((3000, 4000), 224)
    ((28, 28), (48, 64), (168, 224))
    """
    factor = min(1.0, longest / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _sizes(sizes: Sequence[tuple[int, int]], size: tuple[int, int]) -> str:
    """Height and width of the smallest and the largest image, and what they are brought to."""
    least, most = min(sizes, key=math.prod), max(sizes, key=math.prod)
    span = "x".join(map(str, least)) + ("" if least == most else f"..{'x'.join(map(str, most))}")
    return f"{span} -> {size[0]}x{size[1]}"


def read_image(path: Path, input_shape: tuple[int, ...]) -> np.ndarray:
    """The pixels of an image file, upright, stretched, of 8 bits: an array of `input_shape`, of 1, 3 or 4 channels.

    Raises:
        ValueError: if it cannot be read as an image.
    """
    height, width, channels = input_shape
    return _pixels(path, path.parent, (height, width), MODES[channels], "stretch").reshape(input_shape)


def _open(path: Path, root: Path | None) -> tuple[Image.Image, int]:
    """Return an image, not yet decoded, and its orientation."""
    try:
        untrusted.check_regular(path)
        image = Image.open(path, formats=_FORMATS)
        # Photographs are stored as the sensor was held, with a tag that tells how to rotate them.
        return image, image.getexif().get(_EXIF_ORIENTATION, 1) if image.format in _JPEGS else 1
    except MemoryError:
        raise
    except Exception as error:  # of damaged bytes decoders raise nearly anything
        raise unreadable_file(path, root, error) from error


def unreadable_file(path: Path, root: Path | None, error: Exception, what: str = "an image") -> ValueError:
    """Return the error of a file that cannot be read, which is named from a folder, by default its own."""
    root = path.parent if root is None else root
    shown = path.relative_to(root) if path.is_relative_to(root) else path
    return ValueError(f"{shown} cannot be read as {what}: {error}")


def _header(path: Path, root: Path | None) -> tuple[tuple[int, int], bool]:
    """The (height, width) of the upright image, and True if it is grayscale; the pixels are not read."""
    image, orientation = _open(path, root)
    with image:
        return _turned((image.height, image.width), orientation), _is_grey(image)


def _turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return size[::-1] if orientation in _QUARTER_TURNED else size


def _is_grey(image: Image.Image) -> bool:
    return image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I")


def _pixels(path: Path, root: Path | None, size: tuple[int, int], mode: str, image_fit: str) -> np.ndarray:
    opened, orientation = _open(path, root)
    with opened:
        try:
            if opened.format in _JPEGS:  # no more than `size` needs is decoded, which makes photographs quick
                height, width = _turned(size, orientation)
                opened.draft(None, (2 * width, 2 * height))
            image = _converted(ImageOps.exif_transpose(opened) if orientation != 1 else opened, mode)
        except MemoryError:
            raise
        except Exception as error:  # a truncated file shows only here
            raise unreadable_file(path, root, error) from error
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
