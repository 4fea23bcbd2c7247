"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from kerasnas import checks
from kerasnas.datasets.downloads import RemoteFile, fetch
from kerasnas.datasets.pools import LabelledImages
from kerasnas.files.storage import cache_folder
from kerasnas.tabular.table import read_arrays

_ADDRESS = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
_FILES = {  # the checksums are those that torchvision verifies
    "background": RemoteFile(_ADDRESS + "images_background.zip", "68d2efa1b9178cc56df9314c21c6e718"),
    "evaluation": RemoteFile(_ADDRESS + "images_evaluation.zip", "6b91aef0f799c5bb55b94e3f2daec811"),
}
_MEMBER = re.compile(r"images_\w+/([^/]+)/([^/]+)/[^/.][^/]*\.png")
_ARRAYS = ("images", "split", "alphabet", "alphabet_names", "class_names")
_SPLITS = ("background", "evaluation")  # 0 and 1 in the array `split`


@checks.arguments(split=checks.known(*_SPLITS, "all"), size=checks.size, cache_dir=checks.path)
def omniglot(
    split: str = "background",
    size: int = 28,
    cache_dir: str | os.PathLike | None = None,
    path: str | os.PathLike | None = None,
) -> LabelledImages:
    """Load Omniglot (Lake et al., 2015), the classical data set of few-shot learning.

    It is read from the two official archives, downloaded once (10 and 6 MB), or from an `.npz` file. Images, 105 x 105
    in the archives, are resized to `size` by averaging over the area of each pixel; ink is 1, paper 0.

    Args:
        split: `"background"` (964 characters of 30 alphabets), `"evaluation"` (659 of 20 other alphabets), or `"all"`,
            the first, then the second. Papers often divide all characters at random instead, 1,200 of them for
            training: `split_classes(data.y, (1200, 423))` of `"all"`. Defaults to `"background"`.
        size: height and width of the images. Defaults to 28.
        cache_dir: folder for downloads. Defaults to the environment's `KERASNAS_HOME`, else `~/.cache/kerasnas`.
        path: an `.npz` file, or a folder with a single one, to read instead of a download. Its arrays are `images`,
            uint8 `(classes, samples, height, width)`, ink up to 255, or up to 15; `split` `(classes,)`, 0 for
            background, 1 for evaluation; `alphabet` `(classes,)`, an index into `alphabet_names`; and `class_names`.
            Defaults to None.

    Raises:
        TypeError: if `cache_dir` or `path` is not a path.
        ValueError: if another argument is out of range, or a file is damaged or has another format.
        ConnectionError: if a download is needed and fails.
        FileNotFoundError: if there is nothing at `path`.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "two.npz"
    >>> np.savez(
    ...     path, images=np.zeros((2, 20, 28, 28), "uint8"), split=[0, 1], alphabet=[1, 0],
    ...     alphabet_names=["Greek", "Latin"], class_names=["Latin/character01", "Greek/character01"],
    ... )
    >>> data = omniglot("evaluation", path=path)
    >>> data.x.shape, data.classes
    ((20, 28, 28, 1), ('Greek/character01',))

    Reference: [Human-level concept learning through probabilistic program
        induction](https://doi.org/10.1126/science.aab3050)
    """
    parts = _SPLITS if split == "all" else (split,)
    if path is not None:
        return _read_npz(checks.path("path", path), parts, size)
    folder = cache_folder(cache_dir) / "omniglot"
    try:
        archives = [fetch(_FILES[part], folder) for part in parts]
    except ConnectionError as error:
        hint = "For generated characters, without a download, see kerasnas.datasets.glyphs."
        raise ConnectionError(f"{error} {hint}") from error
    classes = [images for archive in archives for images in _read_archive(archive, size)]
    alphabets, characters, images = zip(*classes, strict=True)
    names = tuple(f"{alphabet}/{character}" for alphabet, character in zip(alphabets, characters, strict=True))
    y = np.repeat(np.arange(len(images)), [len(samples) for samples in images])
    return LabelledImages(np.concatenate(images)[..., None], y, names, alphabets)


def _read_archive(path: Path, size: int) -> list[tuple[str, str, np.ndarray]]:
    """Return alphabet, character and images of every class, in the order of the names."""
    with zipfile.ZipFile(path) as archive:
        members: dict[tuple[str, str], list[str]] = {}
        for name in sorted(archive.namelist()):
            if match := _MEMBER.fullmatch(name):
                members.setdefault((match[1], match[2]), []).append(name)
        if not members:
            raise ValueError(f"{path}: Expected images_.../<alphabet>/<character>/<image>.png. Received: none of these")
        return [
            (*names, _resize(np.stack([_ink(archive.read(file), file) for file in files]), size))
            for names, files in members.items()
        ]


def _ink(content: bytes, name: str) -> np.ndarray:
    """Return one image: 1 for ink, which is black in the file."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            return np.asarray(image.convert("L")) < 128
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name} cannot be read as an image: {error}") from None


def _resize(images: np.ndarray, size: int) -> np.ndarray:
    """Return images `(samples, height, width)` at another size: the means over the area of each new pixel, float32."""
    rows, columns = (_areas(length, size) for length in images.shape[1:])
    return rows @ images.astype(np.float32) @ columns.T


def _areas(length: int, size: int) -> np.ndarray:
    """Return in row i the shares of the old pixels, each of width 1, in new pixel i, of width `length / size`."""
    edges = np.arange(size + 1)[:, None] * (length / size)
    inside = np.clip(edges - np.arange(length), 0, 1)  # the part of each old pixel before an edge
    return (np.diff(inside, axis=0) * (size / length)).astype(np.float32)


def _read_npz(path: Path, parts: tuple[str, ...], size: int) -> LabelledImages:
    arrays = read_arrays(path, _ARRAYS, "Omniglot")
    _check_arrays(path, arrays)
    images, split = arrays["images"], arrays["split"]
    # By split, then in the order of the file; the scale is that of the whole file.
    rows = np.concatenate([np.flatnonzero(split == _SPLITS.index(part)) for part in parts])
    if not len(rows):
        raise ValueError(f"{path}: Expected characters of the split {' or '.join(parts)}. Received: none")
    scaled = images[rows].reshape(-1, *images.shape[2:]).astype(np.float32) / (15 if images.max() <= 15 else 255)
    x = scaled if scaled.shape[1:] == (size, size) else _resize(scaled, size)
    return LabelledImages(
        x[..., None],
        np.repeat(np.arange(len(rows)), images.shape[1]),
        tuple(arrays["class_names"][rows].tolist()),
        tuple(arrays["alphabet_names"][arrays["alphabet"][rows]].tolist()),
    )


def _check_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    images, alphabet = arrays["images"], arrays["alphabet"]
    if images.ndim != 4 or images.dtype != np.uint8 or not images.size:
        raise ValueError(
            f"{path}: Expected `images` as uint8 (classes, samples, height, width), not empty. Received: "
            f"{images.dtype} {images.shape}"
        )
    for key in ("split", "alphabet_names"):
        if arrays[key].ndim != 1 or arrays[key].dtype.kind not in ("iu" if key == "split" else "US"):
            raise ValueError(f"{path}: Expected `{key}` as a list. Received: {arrays[key].dtype} {arrays[key].shape}")
    for key in ("split", "alphabet", "class_names"):
        if arrays[key].shape != images.shape[:1]:
            raise ValueError(f"{path}: Expected `{key}` of shape {images.shape[:1]}. Received: {arrays[key].shape}")
    if alphabet.dtype.kind not in "iu" or alphabet.min() < 0 or alphabet.max() >= len(arrays["alphabet_names"]):
        raise ValueError(f"{path}: Expected `alphabet` to be indices into `alphabet_names`")
