"""Make the compact table of NAS-Bench-201, or of NATS-Bench's size search space, from the official files, once.

    pip install nats_bench
    python benchmarks/convert_nasbench201.py NATS-tss-v1_0-3ffb9-simple nasbench201.npz
    python benchmarks/convert_nasbench201.py NATS-sss-v1_0-50262-simple nats_size.npz --space=size

The official files are pickles: only their own package opens them, in this script, never KerasNAS itself.
"""

import argparse
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas.files import storage
from kerasnas.spaces.nasbench201 import NASBENCH201_PRIMITIVES, NASBench201Space


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the unpacked official folder (NATS-tss-...-simple, NATS-sss-...-simple)")
    parser.add_argument("destination", help="the .npz file to write")
    parser.add_argument("--space", choices=("topology", "size"), default="topology")
    arguments = parser.parse_args()
    from nats_bench import create

    size = arguments.space == "size"
    api = create(arguments.source, "sss" if size else "tss", fast_mode=True, verbose=False)
    (convert_size if size else convert)(api, arguments.destination)


def convert(api: Any, path: str | os.PathLike) -> None:
    """Write the compact file from the official benchmark.

    Make `api` with `nats_bench.create(None, "tss", fast_mode=True, verbose=False)` or
    `nas_201_api.NASBench201API(path)`.

    Args:
        api: anything with `len(api)`, `api[index]` (the architecture string), `api.get_cost_info(index, dataset)` and
            `api.get_more_info(index, dataset, hp=..., is_random=False)`, as both packages have it.
        path: the `.npz` to write.
    """
    space = NASBench201Space()
    cells, arrays = _rows(api, (12, 200))
    indices = [space.encode(space.from_string(cell)) for cell in cells]
    _write(path, {"ops": np.array(indices, "uint8"), "op_names": np.array(NASBENCH201_PRIMITIVES), **arrays})


def convert_size(api: Any, path: str | os.PathLike) -> None:
    """Write the compact file of the size search space.

    Args:
        api: as for `convert`, made with `nats_bench.create(None, "sss", fast_mode=True, verbose=False)`.
        path: the `.npz` to write.
    """
    networks, arrays = _rows(api, (1, 12, 90))
    channels = [[int(count) for count in network.split(":")] for network in networks]
    _write(path, {"channels": np.array(channels, "uint8"), **arrays})


def _rows(api: Any, lengths: Sequence[int]) -> tuple[list[str], dict[str, np.ndarray]]:
    """The architecture strings, and the columns of all data sets."""
    official = {"cifar10": "cifar10-valid", "cifar100": "cifar100", "imagenet16": "ImageNet16-120"}
    columns: dict[str, list[float]] = {}
    for index in range(len(api)):
        for ours, theirs in official.items():
            for epochs in lengths:
                info = api.get_more_info(index, theirs, hp=f"{epochs:02d}", is_random=False)
                columns.setdefault(f"{ours}_valid_{epochs}", []).append(info["valid-accuracy"])
                if ours == "cifar10":  # "cifar10-valid" trains on half of the data; the test of the whole is elsewhere
                    info = api.get_more_info(index, "cifar10", hp=f"{epochs:02d}", is_random=False)
                columns.setdefault(f"{ours}_test_{epochs}", []).append(info["test-accuracy"])
            cost = api.get_cost_info(index, "cifar10" if ours == "cifar10" else theirs)
            columns.setdefault(f"params_{ours}", []).append(1e6 * cost["params"])
            columns.setdefault(f"flops_{ours}", []).append(1e6 * cost["flops"])
        if index % 1000 == 999:
            print(f"{index + 1} of {len(api)} architectures")
    return [api[index] for index in range(len(api))], {
        name: np.array(values, "float32") for name, values in columns.items()
    }


def _write(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> None:
    with storage.atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
