"""load: a dataset by its name or its path: `.npz`, `.csv` and `.ts` files, and folders of images or sound."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerasnas import checks
from kerasnas.constraints import Interval
from kerasnas.datasets.dataset import DATASETS, Dataset, dataset_of
from kerasnas.files import untrusted
from kerasnas.files.storage import cache_folder
from kerasnas.modalities import Modality
from kerasnas.modalities.base import TextLimits
from kerasnas.modalities.csv_labels import CSV_FILES, read_csv
from kerasnas.modalities.decoding import FITS, LONGEST, Reading
from kerasnas.modalities.folders import read_folder
from kerasnas.modalities.lookup import all_modalities, of_arrays
from kerasnas.tasks.known import TaskNames, with_task

_Found = tuple[dict[str, Any], tuple[str, ...] | None, tuple[str, ...]]
_FOLDER = "a folder"  # next to the suffixes of files
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_FOUND = ("files_train", "files_test", "left_out", "traits")  # by whoever reads files of samples, and by no one else


@checks.arguments(cache_dir=checks.path, limits=TextLimits, modality=Modality, longest=checks.size)
def load(
    name_or_path: str | os.PathLike,
    cache_dir: str | os.PathLike | None = None,
    *,
    image_size: tuple[int, int] | None = None,
    image_fit: str = "stretch",
    seed: int = 0,
    task: str = "auto",
    target: Sequence[str] = (),
    text_column: str = "",
    limits: TextLimits | None = None,
    modality: Modality | None = None,
    longest: int = LONGEST,
) -> Dataset:
    """Load a dataset of any modality.

    A name is one of `DATASETS`: `"fashion_mnist_mini"` (6000 training and 1000 test images of
    Fashion-MNIST, embedded: needs no network), `"fashion_mnist"`, `"cifar10"`, `"waveforms"` (generated signals, see
    `waveforms`), or one registered with `DATASETS.register`. A path is one of:

    - an `.npz` file with `x_train, y_train, x_test, y_test` and optionally `classes` (names), `weights` (how much each
      training sample counts) and `groups` (the group of each training sample). Images are `(samples, height, width)`
      or `(samples, height, width, channels)`. Pixels from 0 to 255 are divided by 255, those up to 16 by 16; integers
      up to 1, and floats up to 1.5, stay. Those of any other range, as standardized images, decibels or 12 bits have,
      are shifted and scaled, each channel to a mean of 0.5 and a deviation of 0.2. With a further array `kind =
      "signals"`, the samples are signals instead, `(samples, length, channels)` or `(samples, length)`, brought to a
      mean of 0 and a deviation of 1 in each channel unless they are near these; shorter ones end in NaN, which become
      zeros: the space `padded_signals` knows them for padding. Strings are texts, `(samples,)`. With `rate`, the
      samples a second, they are recordings `(samples, steps)`, of which networks see log-mel spectrograms. Saved models
      take all of them as they are in the file.
      Labels are class numbers, or a table `(samples, labels)` of 0 and 1, or numbers, `(samples,)` or
      `(samples, numbers)`.
    - a `.csv` or `.tsv` file whose first row has names, separated by commas, semicolons or tabs: a column of paths of
      images, relative to the file, named `image`, `path`, `file` or `filename`, or the first one; and of all others the
      labels of the image: names of classes or 0 and 1 for each label, or numbers. Where there is a column `text`,
      `sentence`, `review`, `comment` or `message` and none of the former names, it holds texts, and no images are read.
      A column `split` says `train` or `test` (else 80/20), a column `group` what belongs together.
    - a `.ts` file of series with classes (`@classLabel`) or numbers (`@targetLabel`), of one length or not. Of
      `NAME_TRAIN.ts` and `NAME_TEST.ts` in one folder, either names both, used as split; another one is split 80/20.
    - a folder `folder/<class>/*.png|jpg|jpeg|bmp|webp|gif|tiff|wav|flac|mp3|ogg`, split 80/20, stratified, into
      training and test. Where each class has folders in turn, `folder/<class>/<group>/...`, these are groups, none of
      which is split.
    - a folder of parts, `folder/train/<class>/...` with `folder/test/<class>/...`, used as split. Parts have these
      names in any capitals: `train`, `training`; `val`, `valid`, `validation`; `test`, `testing`. Without a test part,
      the validation part is the test part; with one, its samples join the training samples.

    Images of a folder are resized to the most common size, but with 64 pixels at most along the longer side, and have
    one channel when all of them are grayscale, else three. Recordings get one channel, the usual rate, and the length
    that nine of ten have at most: shorter ones end in silence, longer ones are cut. Files of other kinds, and those
    that cannot be read, are left out: `notes` of the result says how many; more than 5 % are an error.

    Args:
        name_or_path: a name or a path; a name takes precedence over a path of the same spelling (write `./name` for
            the path).
        cache_dir: folder for downloads and decoded images. Defaults to the environment's `KERASNAS_HOME`, else
            `~/.cache/kerasnas`.
        image_size: `(height, width)` for the images of a folder. Defaults to None: as above.
        image_fit: how the images of a folder that have another shape are brought to that size: `"stretch"`, `"crop"`
            (the largest part around the center of that shape) or `"pad"` (all of it, between black bars). Defaults to
            `"stretch"`.
        seed: seed of the split of a folder. Defaults to 0.
        task: what the labels are: `"classification"`, `"multilabel"` or `"regression"`; of a path. Defaults to
            `"auto"`, as the labels look.
        target: the columns of a `.csv` file that are the labels. Defaults to all but those above.
        text_column: the column of a `.csv` file that holds texts. Defaults to none, or that of such a name.
        limits: the size of the vocabulary and the length of texts. Defaults to None: `TextLimits()`.
        longest: pixels along the longer side of the images of a folder at most, unless `image_size` is given. Defaults
            to 64.
        modality: of the samples of a path. Defaults to None: what the file says, or what they look like.

    Raises:
        TypeError: if `name_or_path` or `cache_dir` is not a path.
        ValueError: if there is no such name or path, the data are not labeled images, or another argument is out of its
            range.
        ConnectionError: if a download is needed and fails.

    Example:

    >>> data = load("fashion_mnist_mini")
    >>> data.input_shape, data.num_classes, data.x_train.shape
    ((28, 28, 1), 10, (6000, 28, 28, 1))
    """
    path, seed = checks.path("name_or_path", name_or_path), checks.seed(seed)
    sides = image_size if isinstance(image_size, (tuple, list)) else ()
    if image_size is not None and (len(sides) != 2 or not all(map(Interval(int, least=1).accepts, sides))):
        raise ValueError(checks.invalid("image_size", "(height, width), two positive integers", image_size))
    checks.one_of("image_fit", image_fit, FITS)
    checks.one_of("task", task, TaskNames())
    target = checks.names("target", target, least=0)
    named = isinstance(name_or_path, str) and name_or_path in DATASETS
    kind = "" if named else _FOLDER if path.is_dir() else path.suffix.lower() if path.is_file() else ""
    columns, resizes = kind in CSV_FILES, kind in (_FOLDER, *CSV_FILES)
    if image_size is not None and not resizes:
        expected = "None, since only the images of a folder are resized"
        raise ValueError(checks.invalid("image_size", expected, image_size, f"for {str(name_or_path)!r}"))
    if target and not columns:
        raise ValueError(checks.invalid("target", "columns of a .csv file, or nothing", target))
    if text_column and not columns:
        raise ValueError(checks.invalid("text_column", "a column of a .csv file, or nothing", text_column))
    if image_fit != FITS[0] and not resizes:
        expected = f"'{FITS[0]}', since only the images of a folder are brought to size"
        raise ValueError(checks.invalid("image_fit", expected, image_fit))
    if named:
        return _registered(str(name_or_path), cache_dir, task)
    reading = Reading(None, image_size, image_fit, text_column=text_column, longest=longest)
    cache = cache_folder(cache_dir) / "decoded"
    readers: dict[str, Callable[[], _Found]] = {
        _FOLDER: functools.partial(read_folder, path, task, reading, seed, cache, modality),
        ".npz": functools.partial(_read_npz, path),
        **dict.fromkeys(CSV_FILES, functools.partial(read_csv, path, target, task, reading, seed, cache)),
    }
    for one in all_modalities():
        readers |= {suffix: functools.partial(read, path, task, seed) for suffix, read in one.archives.items()}
    if kind not in readers:
        raise ValueError(
            "Invalid value received for argument `name_or_path`. Expected the name of a dataset, or the path of an "
            f".npz, .csv or .ts file, or of a folder of images or of sound. "
            f"{checks.nearest(str(name_or_path), DATASETS)}. Received: {str(name_or_path)!r}"
            f"{' (a file of another kind)' if path.is_file() else ''}"
        )
    try:
        arrays, classes, notes = readers[kind]()
        arrays, own = with_task(arrays, task)
        name = path.resolve().name.removesuffix(".npz")
        data = dataset_of(modality or of_arrays(arrays), name, arrays, classes, own, limits)
        more: dict[str, Any] = {name: arrays[name].reshape(-1) for name in ("groups", "weights") if name in arrays}
        more |= {name: arrays[name] for name in ("left_out", "traits") if name in arrays}
        more["files"] = {part: tuple(arrays.get(f"files_{part}", ())) for part in ("train", "test")}
        fit = checks.one_of("image_fit", str(arrays.get("image_fit", image_fit)), FITS)
        return dataclasses.replace(data, notes=(*notes, *data.notes), image_fit=fit, **more)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _registered(name: str, cache_dir: str | os.PathLike | None, task: str) -> Dataset:
    """Return a dataset of `DATASETS`."""
    data = DATASETS[name](cache_dir)
    if not isinstance(data, Dataset):
        raise TypeError(f"The factory of dataset '{name}' must return a Dataset. Received: {data!r}")
    if task not in ("auto", data.task.name):
        raise ValueError(checks.invalid("task", f"'{data.task.name}', which this dataset is of", task))
    return data


def _read_npz(path: Path) -> _Found:
    arrays = untrusted.read_arrays(path)
    missing = [key for key in _ARRAYS if key not in arrays]
    if missing:
        raise ValueError(f"Expected the arrays {list(_ARRAYS)}. Missing: {missing}. Received: {sorted(arrays)}")
    classes = tuple(arrays["classes"].reshape(-1).astype(str).tolist()) if "classes" in arrays else None
    return {name: array for name, array in arrays.items() if name not in _FOUND}, classes, ()
