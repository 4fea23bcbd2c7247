"""Folders of images, with a folder for each class, read into arrays of bytes."""

from __future__ import annotations

import collections
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageOps

from kerasnas import checks
from kerasnas.files import untrusted
from kerasnas.tasks.splits import grouped_split, stratified_split

Image.init()
# The decoders that files of strangers may reach, whatever their suffix says: others start programs (EPS, Ghostscript).
# AVIF is not in every Pillow, HEIF comes with `pillow_heif.register_heif_opener()`.
_FORMATS = tuple(
    name for name in ("PNG", "JPEG", "MPO", "BMP", "WEBP", "GIF", "TIFF", "AVIF", "HEIF") if name in Image.OPEN
)
_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"),
    *(suffix for suffix in (".avif", ".heic", ".heif") if Image.registered_extensions().get(suffix) in _FORMATS),
)
_LONGEST = 64  # pixels along the longer side, unless a size is asked for: photographs have thousands
_MOST_LEFT_OUT = 0.05  # share of the files
_MOST_MEMORY = 0.7  # share of the machine's
_EXIF_ORIENTATION = 0x0112
T = TypeVar("T")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Number of channels -> Pillow's mode."""
FITS = ("stretch", "crop", "pad")
"""Ways to bring an image of another shape to size: distorted, its center, or all of it between black bars."""


def read_folder(
    folder: Path, image_size: tuple[int, int] | None = None, seed: int = 0, image_fit: str = "stretch"
) -> tuple[dict[str, np.ndarray], tuple[str, ...], tuple[str, ...]]:
    """Read `folder/<class>/<image>`, split 80/20, or `folder/train/<class>/<image>` with `folder/test/...`.

    A class may have folders in turn, `<class>/<group>/<image>`: groups of images that belong together, by their name,
    if each class has at least two.

    Args:
        folder: the folder; hidden folders and files are skipped.
        image_size: `(height, width)` of the result. Defaults to None: the most common size, its longer side 64 pixels
            at most.
        seed: seed of the 80/20 split. Defaults to 0.
        image_fit: one of `FITS`. Defaults to `"stretch"`.

    Returns:
        `x_train`, `y_train`, `x_test`, `y_test`, images as uint8 with one channel if all are grayscale, else
        three, and `groups` of the training images, if there are any; the names of the classes, sorted; and notes on
        what was found, and on files that were left out: of another kind, or that cannot be read.

    Raises:
        ValueError: if a class has no image, `test` has a class that `train` lacks, more than 5 % of the files would be
            left out, or the images do not fit into memory.
    """
    check_image_size(image_size)
    checks.one_of("image_fit", image_fit, FITS)
    presplit = (folder / "train").is_dir() and (folder / "test").is_dir()
    names = ("train", "test") if presplit else ("",)
    others: collections.Counter[str] = collections.Counter()
    parts = {name: _list_images(folder / name, folder, others) for name in names}
    classes = tuple(parts[names[0]])
    unknown = sorted(set(parts[names[-1]]) - set(classes))
    if unknown:
        raise ValueError(f"The folder test has classes that the folder train lacks: {unknown}")

    paths_of_all = [path for part in parts.values() for paths in part.values() for path in paths]
    pixels, unreadable, sizes = read_pixels(paths_of_all, folder, image_size, image_fit)
    x, y = {}, {}
    for name, part in parts.items():
        parts[name] = part = {label: [path for path in paths if path in pixels] for label, paths in part.items()}
        if empty := [label for label, paths in part.items() if not paths]:
            raise ValueError(f"No image of class {empty[0]} can be read: {next(iter(unreadable.values()))}")
        x[name] = np.stack([pixels[path] for paths in part.values() for path in paths])
        y[name] = np.array([classes.index(label) for label, paths in part.items() for _ in paths], np.int64)
    notes = [f"Found {len(pixels):,} images, {len(classes)} classes, {sizes}"]
    notes += left_out(others, unreadable, len(paths_of_all))
    part = parts[names[0]]
    groups = np.array([path.parent.name for paths in part.values() for path in paths])
    # With a single folder in each class there is nothing to tell apart.
    grouped = all(len({path.parent.name for path in paths}) > 1 for paths in part.values())
    if not presplit:
        train, test = grouped_split(y[""], groups, 0.2, seed) if grouped else stratified_split(y[""], 0.2, seed)
        x, y = {"train": x[""][train], "test": x[""][test]}, {"train": y[""][train], "test": y[""][test]}
        groups = groups[train]
    arrays = {"x_train": x["train"], "y_train": y["train"], "x_test": x["test"], "y_test": y["test"]}
    return arrays | ({"groups": groups} if grouped else {}), classes, tuple(notes)


def read_pixels(
    paths: Sequence[Path], root: Path, image_size: tuple[int, int] | None, image_fit: str
) -> tuple[dict[Path, np.ndarray], dict[Path, str], str]:
    """The pixels of image files, all of one size, with one channel if all are grayscale, else three.

    Args:
        paths: the files.
        root: the folder that errors name them from.
        image_size, image_fit: as for `read_folder`.

    Returns:
        The pixels of each file, uint8; why each file that cannot be read is left out; and the sizes in words.

    Raises:
        ValueError: if none can be read, or they do not fit into memory.
    """
    unreadable: dict[Path, str] = {}
    headers = _readable(lambda path: _header(path, root), paths, unreadable)
    if not headers:
        raise ValueError(next(iter(unreadable.values())))
    size = image_size or _capped(collections.Counter(size for size, _ in headers.values()).most_common(1)[0][0])
    mode = "L" if all(grey for _, grey in headers.values()) else "RGB"
    _check_memory(len(headers), size, len(mode))
    pixels = _readable(lambda path: _pixels(path, root, size, mode, image_fit), headers, unreadable)
    return pixels, unreadable, _sizes([size for size, _ in headers.values()], size)


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
        found, unreadable, _ = read_pixels(list(dict.fromkeys(files)), Path(), image_size, image_fit)
        if unreadable:
            raise ValueError(next(iter(unreadable.values())))
        pixels = [found[path] for path in files]
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


def left_out(others: collections.Counter[str], unreadable: dict[Path, str], images: int) -> list[str]:
    """A line on the files that are left out, if there are some: those of other kinds by suffix, and the unreadable.

    Raises:
        ValueError: with that line, if they are more than one and more than 5 %.
    """
    if not others and not unreadable:
        return []
    line = _left_out(others, unreadable, images)
    if len(unreadable) + others.total() > max(1, _MOST_LEFT_OUT * (images + others.total())):
        raise ValueError(line)
    return [line]


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


def _capped(size: tuple[int, int]) -> tuple[int, int]:
    """`(height, width)` in the same proportion, but for rounding, whose longer side is `_LONGEST` at most.

    Example:

    >>> _capped((28, 28)), _capped((3000, 4000))
    ((28, 28), (48, 64))
    """
    factor = min(1.0, _LONGEST / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _sizes(sizes: Sequence[tuple[int, int]], size: tuple[int, int]) -> str:
    """Height and width of the smallest and the largest image, and what they are brought to."""
    least, most = min(sizes, key=math.prod), max(sizes, key=math.prod)
    span = "x".join(map(str, least)) + ("" if least == most else f"..{'x'.join(map(str, most))}")
    return f"{span} -> {size[0]}x{size[1]}"


def _left_out(others: collections.Counter[str], unreadable: dict[Path, str], images: int) -> str:
    """A line on the files that are left out: how many of which suffix, and how many that cannot be read."""
    parts = [f"{number} {suffix or 'without a suffix'}" for suffix, number in others.most_common()]
    if unreadable:
        parts.append(f"{len(unreadable)} that cannot be read (the first: {next(iter(unreadable.values()))})")
    number, files = others.total() + len(unreadable), images + others.total()
    return f"{number:,} of {files:,} files are left out: {', '.join(parts)}. Images are {', '.join(_SUFFIXES)} files."


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


def _list_images(folder: Path, root: Path, others: collections.Counter[str]) -> dict[str, list[Path]]:
    """The image files of each class, both in the order of their names; the suffixes of other files are counted."""
    found = {
        child.name: sorted(path for place in _places(child) for path in place.iterdir() if is_image(path))
        for child in sorted(folder.iterdir())
        if _is_place(child)
    }
    for child in filter(_is_place, folder.iterdir()):
        beside = (path for place in _places(child) for path in place.iterdir() if path.is_file())
        others.update(path.suffix.lower() for path in beside if not is_image(path) and not path.name.startswith("."))
    empty = [name for name, paths in found.items() if not paths]
    if not found or empty:
        part = "" if folder == root else f" in {folder.name}"
        received = f"no image in {empty}" if empty else "no folder"
        files = f"with {', '.join(_SUFFIXES)} files"
        raise ValueError(f"Expected one folder for each class{part}, {files}. Received: {received}")
    return found


def _is_place(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "__"))


def _places(folder: Path) -> list[Path]:
    """The folders that the images of a class lie in: its own, and those of its groups."""
    return [folder, *(child for child in folder.iterdir() if _is_place(child))]


def is_image(path: Path) -> bool:
    """Return True if the name of a file is that of an image."""
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


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
