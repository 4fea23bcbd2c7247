"""Make the compact file of HW-NAS-Bench from the official pickle, once.

    python benchmarks/convert_hwnasbench.py HW-NAS-Bench-v1_0.pickle hwnasbench.npz

Beside the table of NAS-Bench-201, `NASBench201.open` reads the result. A pickle may run any code as it is opened: this
script admits nothing but plain containers, numbers, text and NumPy's arrays, and stops at anything else.
"""

import argparse
import os
import pickle
from typing import Any

import numpy as np

from kerasnas.files import storage
from kerasnas.spaces.nasbench201 import NASBENCH201_PRIMITIVES, NASBench201Space
from kerasnas.tabular.hwnasbench import HARDWARE_METRICS

DATASETS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16": "ImageNet16-120"}
ADMITTED = {
    ("collections", "OrderedDict"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
}


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"expected bytes as latin1. It names: {encoding}")
    return text.encode("latin1")


class PlainUnpickler(pickle.Unpickler):
    """An unpickler of plain containers and NumPy arrays, which runs nothing else that a file names."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of that name, if it is admitted.

        Raises:
            UnpicklingError: if it is not.
        """
        if (module, name) == ("_codecs", "encode"):  # how old protocols write bytes
            return _latin1
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"expected plain containers and NumPy arrays. It names: {module}.{name}")
        return super().find_class(module, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the official file, HW-NAS-Bench-v1_0.pickle")
    parser.add_argument("destination", help="the .npz file to write")
    arguments = parser.parse_args()
    convert(arguments.source, arguments.destination)


def convert(source: str | os.PathLike, destination: str | os.PathLike) -> None:
    """Write the compact file from the official one.

    Args:
        source: a pickle of `{"nasbench201": {dataset: {metric: [...], "config": [{"arch_str": ...}, ...]}}}`.
        destination: the `.npz` to write.

    Raises:
        ValueError: if the pickle holds anything that is not plain, or is no such table.
    """
    with open(source, "rb") as file:
        try:
            metrics = PlainUnpickler(file).load()["nasbench201"]
        except (pickle.UnpicklingError, EOFError) as error:
            raise ValueError(f"{source} is not opened: {error}") from None
        except (KeyError, TypeError):
            raise ValueError(f"{source} is not HW-NAS-Bench: it lacks 'nasbench201'.") from None
    space, arrays, cells = NASBench201Space(), {}, None
    for ours, theirs in DATASETS.items():
        if missing := {"config", *HARDWARE_METRICS} - set(metrics.get(theirs, ())):
            raise ValueError(f"{source} is not HW-NAS-Bench: '{theirs}' lacks {', '.join(sorted(missing))}.")
        own = [space.encode(space.from_string(config["arch_str"])) for config in metrics[theirs]["config"]]
        if cells is not None and own != cells:
            raise ValueError(f"{source}: the cells of '{theirs}' are not in the order of the other data sets.")
        cells = own
        for name in HARDWARE_METRICS:
            arrays[f"{ours}_{name}"] = np.array(metrics[theirs][name], np.float64)
            if arrays[f"{ours}_{name}"].shape != (len(own),):
                raise ValueError(f"{source}: expected {len(own)} values of '{name}' in '{theirs}'.")
    with storage.atomic_path(destination) as temporary:
        named = {"ops": np.array(cells, "uint8"), "op_names": np.array(NASBENCH201_PRIMITIVES), **arrays}
        np.savez_compressed(temporary, **named)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
