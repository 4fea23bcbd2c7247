"""Published datasets of images: embedded, or downloaded once."""

from __future__ import annotations

import gzip
import importlib.resources
import os
import tarfile
from pathlib import Path

import numpy as np

from kerasnas.datasets.dataset import DATASETS, Dataset, dataset_of
from kerasnas.datasets.downloads import RemoteFile, fetch
from kerasnas.files import untrusted
from kerasnas.files.storage import cache_folder
from kerasnas.modalities.images import Images

_FASHION_MNIST = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
_FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_FILES = {  # the checksums are the publishers'
    "fashion_mnist": {
        "x_train": RemoteFile(_FASHION_MNIST + "train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        "y_train": RemoteFile(_FASHION_MNIST + "train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        "x_test": RemoteFile(_FASHION_MNIST + "t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        "y_test": RemoteFile(_FASHION_MNIST + "t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    },
    "cifar10": {
        "archive": RemoteFile(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"
        )
    },
}


@DATASETS.register("fashion_mnist_mini")
def _fashion_mnist_mini(cache_dir: str | os.PathLike | None) -> Dataset:
    del cache_dir  # embedded
    with (importlib.resources.files("kerasnas.datasets") / "data" / "fashion_mnist_mini.npz").open("rb") as file:
        arrays = untrusted.read_arrays(file)
    return dataset_of(Images(), "fashion_mnist_mini", arrays, tuple(map(str, arrays["classes"])))


@DATASETS.register("fashion_mnist")
def _fashion_mnist(cache_dir: str | os.PathLike | None) -> Dataset:
    folder = cache_folder(cache_dir) / "fashion_mnist"
    arrays = {key: _read_idx(fetch(file, folder)) for key, file in _FILES["fashion_mnist"].items()}
    return dataset_of(Images(), "fashion_mnist", arrays, _FASHION_CLASSES)


def _read_idx(path: Path) -> np.ndarray:
    """A gzipped IDX file of bytes: 0, 0, 8 (uint8), rank, then each dimension as a big-endian int32, then data."""
    with gzip.open(path) as file:
        content = file.read()
    rank = content[3]
    shape = tuple(np.frombuffer(content, ">i4", rank, offset=4).tolist())
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


@DATASETS.register("cifar10")
def _cifar10(cache_dir: str | os.PathLike | None) -> Dataset:
    path = fetch(_FILES["cifar10"]["archive"], cache_folder(cache_dir) / "cifar10")
    content = {}
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:  # a folder has no content
                content[Path(member.name).name] = file.read()
    arrays = {}
    for part, names in (("train", [f"data_batch_{n}.bin" for n in range(1, 6)]), ("test", ["test_batch.bin"])):
        rows = np.frombuffer(b"".join(content[name] for name in names), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
        arrays[f"y_{part}"] = rows[:, 0]
        arrays[f"x_{part}"] = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return dataset_of(Images(), "cifar10", arrays, tuple(content["batches.meta.txt"].decode().split()))
