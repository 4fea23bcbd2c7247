"""miniImageNet: 100 classes of ImageNet with 600 color images each, the usual benchmark of few-shot learning."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from kerasnas import checks
from kerasnas.datasets.pools import LabelledImages
from kerasnas.files.storage import cache_folder
from kerasnas.modalities.decoding import read_image

SPLITS = {"train": "train", "validation": "val", "test": "test"}  # split -> name of the official file
_HEADER = ["filename", "label"]
_CSV_FILES = "github.com/twitter-research/meta-learning-lstm, data/miniImagenet"


@checks.arguments(split=checks.known(*SPLITS), size=checks.size, cache_dir=checks.path)
def mini_imagenet(
    split: str = "train",
    size: int = 84,
    cache_dir: str | os.PathLike | None = None,
    path: str | os.PathLike | None = None,
) -> LabelledImages:
    """Load miniImageNet (Vinyals et al., 2016) in the split of Ravi and Larochelle (2017), which papers report on.

    Nothing is downloaded: ImageNet's terms do not allow redistribution. The folder must contain

    - `train.csv`, `val.csv` and `test.csv`, the published split: lines `filename,label` such as
      `n0153282900000005.jpg,n01532829`, of 64, 16 and 20 classes;
    - `images/`, with the files of these names, all in one folder or in one folder per class; or ImageNet's own training
      images, `images/n01532829/n01532829_5.JPEG`: the number at the end of a name of the split is then the place, from
      1, among the images of its class in the order of their numbers.

    Images are resized to `size`, distorted if they are not square, and stay integers: `EpisodeSampler` divides them by
    255. The protocol: a network of four blocks with 32 filters (MAML++: 48) and pooling, 5 ways, 1 or 5 shots, 15
    queries per class, 600 tasks of the test classes; settings are chosen on those of the validation classes.

    Args:
        split: `"train"` (64 classes, 38,400 images), `"validation"` (16) or `"test"` (20). Defaults to `"train"`.
        size: height and width of the images. Defaults to the papers' 84.
        cache_dir: without a `path`, the folder of `mini_imagenet`. Defaults to the environment's `KERASNAS_HOME`, else
            `~/.cache/kerasnas`.
        path: the folder with these files. Defaults to None.

    Returns:
        Images uint8 `(samples, size, size, 3)`, with the names of their classes, sorted.

    Raises:
        TypeError: if `cache_dir` or `path` is not a path.
        FileNotFoundError: if a file is missing; states the expected files.
        ValueError: if another argument is out of range, or a file is damaged or has another format.

    Example:

    >>> import keras, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "val.csv").write_text("filename,label\\n1.png,n01\\n2.png,n02\\n")
    >>> (folder / "images").mkdir()
    >>> for number in (1, 2):
    ...     keras.utils.save_img(folder / f"images/{number}.png", np.zeros((9, 9, 3)))
    >>> data = mini_imagenet("validation", size=8, path=folder)
    >>> data.x.shape, data.classes, data.y.tolist()
    ((2, 8, 8, 3), ('n01', 'n02'), [0, 1])

    Reference: [Matching Networks for One Shot Learning](https://arxiv.org/abs/1606.04080), for the classes;
        [Optimization as a Model for Few-Shot Learning](https://openreview.net/forum?id=rJY0-Kcll), for the split.

    Differences from the paper:
        - Images are resized by Pillow's bilinear filter; papers do not state theirs.
    """
    place = checks.path("path", path) if path is not None else cache_folder(cache_dir) / "mini_imagenet"
    names = _read_csv(place, split)
    classes = tuple(sorted({label for _, label in names}))
    files = _files(place / "images", names)
    x = np.stack([read_image(file, (size, size, 3)) for file in files])
    return LabelledImages(x, np.array([classes.index(label) for _, label in names], "int64"), classes)


def _read_csv(folder: Path, split: str) -> list[tuple[str, str]]:
    """Return `(filename, label)` of every image of a split."""
    file = folder / f"{SPLITS[split]}.csv"
    if not file.is_file():
        raise _missing(file)
    with file.open(newline="", encoding="utf-8") as lines:
        header, *rows = [[cell.strip() for cell in row] for row in csv.reader(lines) if row] or [[]]
    wrong = [row for row in rows if len(row) != 2 or not all(row)]
    if header != _HEADER or not rows or wrong:
        received = wrong[0] if wrong else header
        raise ValueError(f"{file}: Expected lines `filename,label` below a header of that name. Received: {received}")
    unsafe = [name for name, label in rows for part in (name, label) if Path(part).name != part]
    if unsafe:
        raise ValueError(f"{file}: Expected names of files, without folders. Received: {unsafe[0]!r}")
    return [(name, label) for name, label in rows]


def _files(folder: Path, names: list[tuple[str, str]]) -> list[Path]:
    """Return the file of each image, in any of the three layouts of the folder."""
    if not folder.is_dir():
        raise _missing(folder)
    first, first_label = names[0]
    if (folder / first).is_file():
        files = [folder / name for name, _ in names]
    elif (folder / first_label / first).is_file():
        files = [folder / label / name for name, label in names]
    else:
        files = _of_imagenet(folder, names)
    for file in files:
        if not file.is_file():
            raise _missing(file)
    return files


def _of_imagenet(folder: Path, names: list[tuple[str, str]]) -> list[Path]:
    """Return the files among ImageNet's own, `<label>/<label>_<number>.JPEG`."""
    sorted_files: dict[str, list[Path]] = {}
    for label in {label for _, label in names}:
        numbered = [file for file in folder.glob(f"{label}/{label}_*") if file.stem.rpartition("_")[2].isdigit()]
        sorted_files[label] = sorted(numbered, key=lambda file: int(file.stem.rpartition("_")[2]))
    chosen = []
    for name, label in names:
        place = Path(name).stem.removeprefix(label)
        files = sorted_files[label]
        if not files:
            raise _missing(folder / name)
        if not place.isdigit() or not 1 <= int(place) <= len(files):
            expected = f"a number from 1 to {len(files)} after the label, the place among its images"
            raise ValueError(f"{folder / label}: Expected {expected}. Received: {name!r}")
        chosen.append(files[int(place) - 1])
    return chosen


def _missing(path: Path) -> FileNotFoundError:
    return FileNotFoundError(
        f"There is no {path}. miniImageNet cannot be downloaded by this package, as ImageNet's terms do not allow it: "
        f"put train.csv, val.csv and test.csv ({_CSV_FILES}) into a folder, with a folder `images` of the files that "
        "they name, or of ImageNet's training images in one folder per class (image-net.org, after registration), and "
        "pass the folder as `path`. Pickled versions are not read, since a pickle runs code"
    )
