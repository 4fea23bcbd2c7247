"""Make the compact table of NAS-Bench-201 from the official files, once.

    pip install nats_bench
    python benchmarks/convert_nasbench201.py NATS-tss-v1_0-3ffb9-simple nasbench201.npz

The official files are pickles: only their own package opens them, in this script, never KerasNAS itself.
"""

import argparse
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasnas import storage
from kerasnas.spaces.nasbench201 import NASBENCH201_PRIMITIVES, NASBench201Space


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the unpacked folder of the official topology benchmark (NATS-tss-...-simple)")
    parser.add_argument("destination", help="the .npz file to write")
    arguments = parser.parse_args()
    from nats_bench import create

    convert(create(arguments.source, "tss", fast_mode=True, verbose=False), arguments.destination)


def convert(api: Any, path: str | os.PathLike, log: Callable[[str], Any] = print) -> None:
    """Write the compact file from the official benchmark.

    Make `api` with `nats_bench.create(None, "tss", fast_mode=True, verbose=False)` or
    `nas_201_api.NASBench201API(path)`.

    Args:
        api: anything with `len(api)`, `api[index]` (the architecture string), `api.get_cost_info(index, dataset)` and
            `api.get_more_info(index, dataset, hp=..., is_random=False)`, as both packages have it.
        path: the `.npz` to write.
        log: called with each line of progress. Defaults to `print`.
    """
    official = {"cifar10": "cifar10-valid", "cifar100": "cifar100", "imagenet16": "ImageNet16-120"}
    space = NASBench201Space()
    columns: dict[str, list[float]] = {}
    cells = []
    for index in range(len(api)):
        cells.append(space.encode(space.from_string(api[index])))
        for ours, theirs in official.items():
            for epochs in (12, 200):
                info = api.get_more_info(index, theirs, hp=str(epochs), is_random=False)
                columns.setdefault(f"{ours}_valid_{epochs}", []).append(info["valid-accuracy"])
                if ours == "cifar10":  # "cifar10-valid" trains on half of the data; the test of the whole is elsewhere
                    info = api.get_more_info(index, "cifar10", hp=str(epochs), is_random=False)
                columns.setdefault(f"{ours}_test_{epochs}", []).append(info["test-accuracy"])
            cost = api.get_cost_info(index, "cifar10" if ours == "cifar10" else theirs)
            columns.setdefault(f"params_{ours}", []).append(1e6 * cost["params"])
            columns.setdefault(f"flops_{ours}", []).append(1e6 * cost["flops"])
        if index % 1000 == 999:
            log(f"{index + 1} of {len(api)} cells")
    arrays = {name: np.array(values, "float32") for name, values in columns.items()}
    with storage.atomic_path(path) as temporary:
        named = {"ops": np.array(cells, "uint8"), "op_names": np.array(NASBENCH201_PRIMITIVES), **arrays}
        np.savez_compressed(temporary, **named)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
