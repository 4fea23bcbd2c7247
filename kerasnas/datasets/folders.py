"""Folders of images, with a folder for each class, read into arrays of bytes."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from kerasnas import checks
from kerasnas.datasets.splits import grouped_split, stratified_split

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_EXIF_ORIENTATION = 0x0112
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Number of channels -> Pillow's mode."""


def read_folder(
    folder: Path, image_size: tuple[int, int] | None = None, seed: int = 0
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Read `folder/<class>/<image>`, split 80/20, or `folder/train/<class>/<image>` with `folder/test/...`.

    A class may have folders in turn, `<class>/<group>/<image>`: groups of images that belong together, by their name,
    if each class has at least two.

    Args:
        folder: the folder; hidden folders and other files than images are skipped.
        image_size: `(height, width)` of the result. Defaults to None: the most common size.
        seed: seed of the 80/20 split. Defaults to 0.

    Returns:
        `x_train`, `y_train`, `x_test`, `y_test`, images as uint8 with one channel if all are grayscale, else
        three, and `groups` of the training images, if there are any; and the names of the classes, sorted.

    Raises:
        ValueError: if a class has no image, an image cannot be read, or `test` has a class that `train` lacks.
    """
    check_image_size(image_size)
    presplit = (folder / "train").is_dir() and (folder / "test").is_dir()
    names = ("train", "test") if presplit else ("",)
    parts = {name: _list_images(folder / name, folder) for name in names}
    classes = tuple(parts[names[0]])
    unknown = sorted(set(parts[names[-1]]) - set(classes))
    if unknown:
        raise ValueError(f"The folder test has classes that the folder train lacks: {unknown}")

    headers = [_header(path, folder) for part in parts.values() for paths in part.values() for path in paths]
    size = image_size or collections.Counter(size for size, _ in headers).most_common(1)[0][0]
    mode = "L" if all(grey for _, grey in headers) else "RGB"
    x, y = {}, {}
    for name, part in parts.items():
        x[name] = np.stack([_pixels(path, folder, size, mode) for paths in part.values() for path in paths])
        y[name] = np.array([classes.index(label) for label, paths in part.items() for _ in paths], np.int64)
    part = parts[names[0]]
    groups = np.array([path.parent.name for paths in part.values() for path in paths])
    # With a single folder in each class there is nothing to tell apart.
    grouped = all(len({path.parent.name for path in paths}) > 1 for paths in part.values())
    if not presplit:
        train, test = grouped_split(y[""], groups, 0.2, seed) if grouped else stratified_split(y[""], 0.2, seed)
        x, y = {"train": x[""][train], "test": x[""][test]}, {"train": y[""][train], "test": y[""][test]}
        groups = groups[train]
    arrays = {"x_train": x["train"], "y_train": y["train"], "x_test": x["test"], "y_test": y["test"]}
    return arrays | ({"groups": groups} if grouped else {}), classes


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


def read_image(path: Path, input_shape: tuple[int, ...]) -> np.ndarray:
    """The pixels of an image file, upright, resized, of 8 bits: an array of `input_shape`, of 1, 3 or 4 channels.

    Raises:
        ValueError: if it cannot be read as an image.
    """
    height, width, channels = input_shape
    return _pixels(path, path.parent, (height, width), MODES[channels]).reshape(input_shape)


def image_files(path: Path) -> list[Path]:
    """The image files in a folder and in those below it, in the order of their names; a file is itself."""
    return sorted(one for one in path.rglob("*") if _is_image(one)) if path.is_dir() else [path]


def _list_images(folder: Path, root: Path) -> dict[str, list[Path]]:
    """The image files of each class, both in the order of their names."""
    found = {
        child.name: sorted(path for place in _places(child) for path in place.iterdir() if _is_image(path))
        for child in sorted(folder.iterdir())
        if _is_place(child)
    }
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


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def _open(path: Path, root: Path) -> Image.Image:
    try:
        image = Image.open(path)
        # Photographs are stored as the sensor was held, with a tag that tells how to rotate them.
        turned = image.format == "JPEG" and image.getexif().get(_EXIF_ORIENTATION, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except (OSError, SyntaxError) as error:
        raise _unreadable(path, root, error) from None


def _unreadable(path: Path, root: Path, error: Exception) -> ValueError:
    return ValueError(f"{path.relative_to(root)} cannot be read as an image: {error}")


def _header(path: Path, root: Path) -> tuple[tuple[int, int], bool]:
    """The image's (height, width), and True if it is grayscale; the pixels are not read."""
    with _open(path, root) as image:
        return (image.height, image.width), image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I")


def _pixels(path: Path, root: Path, size: tuple[int, int], mode: str) -> np.ndarray:
    with _open(path, root) as image:
        try:
            if image.mode.startswith("I"):  # 16 bits a pixel, which `convert` would clip
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            image = image.convert(mode)
        except (OSError, SyntaxError) as error:  # a truncated file shows only here
            raise _unreadable(path, root, error) from None
    if (image.height, image.width) != tuple(size):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image)
