"""Federated search of weights and alphas, local and pooled search: handwritten digits by writer, as Markdown.

    TF_NUM_INTRAOP_THREADS=1 python benchmarks/federated.py DATA
    TF_NUM_INTRAOP_THREADS=1 python benchmarks/federated.py DATA --clients=4 --rounds=2 --seeds=2   # 2 minutes
    TF_NUM_INTRAOP_THREADS=1 python benchmarks/federated.py DATA --executor=processes:2            # two seeds at once

DATA is a folder in or below which `kannada_writers.npz` lies: `x` (n, 28, 28, 1), uint8, `y`, `writer`, and `split`, 1
for the digits of each writer that are held out. A client is a writer, with 90 digits: half of them move the weights,
half the alphas. Every seed draws other writers and starts from another initialization.

- `local`: every writer searches alone. `pooled`: one search on the data of all of them, which leave their owners.
- `federated`: `federate` with all of them; `federated, half`: half of them in each round; `personal`: what each writer
  makes of the federated start with a search of its own.

All pass over the same data as often, in batches of one size, except `federated, half`, half as often, and `personal`,
which comes on top. `own` is the accuracy on held-out digits of the writers that were learned from, each by its model;
`unseen` that on other writers, the mean over the models: both of the supernet, with its final weights and alphas.
`derived` is that of its genotype on other writers, trained from scratch the same way (with --derived). ± is the 95 %
interval over seeds (Student's t). Bytes are of arrays, in all rounds; for `pooled` of the images, once.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import skeleton
import tracked


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        "data",
        clients=(8, "writers"),
        test_writers=13,
        rounds=10,
        local_epochs=2,
        personal_epochs=4,
        batch_size=15,
        filters=4,
        nodes=(2, "of a cell, besides its input"),
        whole=(False, "28x28 pixels; by default 14x14, means of four"),
        seeds=3,
        batch_norm=skeleton.one_of("averaged", "local_statistics", "local"),
        optimizer_state=skeleton.one_of("kept", "reset"),
        derived=(False, "train the genotypes that are found, too"),
        executor=("local", "what the seeds run on: local, processes:N, ray or ray://HOST:PORT"),
    )
    if arguments.seeds < 2:
        raise SystemExit("Expected at least 2 seeds.")
    skeleton.prepare()
    digits = read(arguments.data, arguments.whole)
    report(arguments, tracked.each_seed(arguments, of_seed, range(arguments.seeds), (arguments, digits)))


def read(folder: Path, whole: bool) -> dict[str, np.ndarray]:
    """Return the arrays of the file, images from 0 to 1."""
    with np.load(skeleton.find(folder, "kannada_writers.npz"), allow_pickle=False) as arrays:
        digits = {name: arrays[name] for name in ("x", "y", "writer", "split")}
    x = digits["x"].astype("float32") / 255
    x = x if whole else x.reshape(-1, 14, 2, 14, 2, 1).mean(axis=(2, 4))
    return {**digits, "x": x, "y": digits["y"].astype("int32")}


def of_seed(shared: tuple[Any, dict[str, np.ndarray]], seed: int) -> dict[str, dict[str, float]]:
    """Run `one_seed` for an executor; log what it took."""
    start = time.process_time()
    found = one_seed(*shared, seed)
    skeleton.log(f"seed {seed}: {time.process_time() - start:.0f} CPU s")
    return found


def one_seed(arguments: Any, digits: dict[str, np.ndarray], seed: int) -> dict[str, dict[str, float]]:
    """Return numbers by arm and name of the column."""
    from kerasnas import BilevelTrainer
    from kerasnas.federated import FederatedClient, federate, shared_values
    from kerasnas.spaces import NASBench201Space

    writers = np.random.default_rng(seed).permutation(np.unique(digits["writer"]))
    others = writers[arguments.clients :][: arguments.test_writers]
    unseen = _digits(digits, np.isin(digits["writer"], others))
    first = writers[: arguments.clients]
    parts, held_out = (
        [_digits(digits, (digits["writer"] == writer) & (digits["split"] == split)) for writer in first]
        for split in (0, 1)
    )

    space = NASBench201Space(filters=arguments.filters, num_cells=1, num_nodes=arguments.nodes)
    supernet = space.build_supernet(digits["x"].shape[1:], num_classes=10, seed=seed)
    # An auxiliary skip is 0 in the last epoch alone, whose few steps are too few for the moving statistics to follow.
    search = BilevelTrainer(supernet, curvature_ratio=None, auxiliary_skip=0)
    search.compile()
    begin = shared_values(search, arguments.batch_norm)
    names = ("batch_size", "local_epochs", "batch_norm", "optimizer_state")
    options = {**{name: getattr(arguments, name) for name in names}, "seed": seed}

    def clients(model: Any, data: list[Any]) -> list[Any]:
        return [FederatedClient(f"writer {index}", model, *part, **options) for index, part in enumerate(data)]

    def evaluated(client: Any, values: Any, data: Any) -> float:
        return float(client.evaluate(values, *data)["accuracy"])

    initial = clients(search, parts)  # while the search is as it was built
    everything = tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    arms = {
        "local": [[one] for one in initial],
        "pooled": [clients(search, [everything])],
        "federated": [clients(search, parts)],
        "federated, half": [clients(search, parts)],
    }
    results = {}
    for arm, groups in arms.items():
        share = 0.5 if arm == "federated, half" else 1.0
        own, new, sent, derived = [], [], [0, 0], []
        for number, group in enumerate(groups):
            found = federate(group, begin, arguments.rounds, participation=share, seed=seed)
            data = [held_out[number]] if arm == "local" else held_out
            own += [evaluated(group[min(i, len(group) - 1)], found.values, part) for i, part in enumerate(data)]
            new.append(evaluated(group[0], found.values, unseen))
            genotype = search.derive()  # of the values that were evaluated last
            if arm.startswith("federated"):
                sent = [found.bytes_down, found.bytes_up]
            if arguments.derived:
                network = trained(arguments, space, genotype, [(c.x, c.y) for c in group], share, options, seed)
                derived.append(float(network.evaluate(*unseen, verbose=0, return_dict=True)["accuracy"]))
            if arm == "federated":
                personal = [client.personalize(found.values, arguments.personal_epochs) for client in group]
                better = [evaluated(c, p.values, part) for c, p, part in zip(group, personal, held_out, strict=True)]
                kinds = len({p.genotype for p in personal})
                results["personal"] = {"own": float(np.mean(better)), "architectures": kinds}
        results[arm] = {"own": float(np.mean(own)), "unseen": float(np.mean(new)), "down": sent[0], "up": sent[1]}
        if arm == "pooled":
            results[arm]["up"] = sum(len(x) * x[0].size for x, _ in parts)  # a byte a pixel
        if derived:
            results[arm]["derived"] = float(np.mean(derived))
        skeleton.log(f"  seed {seed} {arm}: {results[arm]}")
    return results


def _digits(digits: dict[str, np.ndarray], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return digits["x"][rows], digits["y"][rows]


def trained(arguments: Any, space: Any, genotype: Any, data: list, share: float, options: Any, seed: int) -> Any:
    """Train the network of a genotype from scratch by federated averaging over `data`, or plainly on one part."""
    import keras

    from kerasnas.callbacks.schedules import CosineSchedule
    from kerasnas.federated import FederatedClient, assign_values, federate, shared_values

    network = space.build_network(genotype, data[0][0].shape[1:], num_classes=10, seed=seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss, metrics=["accuracy"], jit_compile=False)
    own = {**options, "batch_norm": "averaged", "callbacks": lambda: [CosineSchedule(0.05, 0.001)]}
    group = [FederatedClient(f"writer {index}", network, *part, **own) for index, part in enumerate(data)]
    found = federate(group, shared_values(network), arguments.rounds, participation=share, seed=seed)
    assign_values(network, found.values)
    return network


def report(arguments: Any, found: list[dict[str, dict[str, float]]]) -> None:
    """Print the table, and paired differences."""
    results = {arm: {name: [one[arm][name] for one in found] for name in row} for arm, row in found[0].items()}
    print()
    shown = tracked.Table(["search", "own", "unseen", "derived", "MB down", "MB up"])
    for arm, row in results.items():
        cells = [skeleton.spread(_percent(row[name])) if name in row else "" for name in ("own", "unseen", "derived")]
        cells += [f"{np.mean(row[name]) / 1e6:.1f}" if name in row else "" for name in ("down", "up")]
        shown.add([arm, *cells])
    differences = []
    for first, second, name in (
        *(("federated", "local", name) for name in ("own", "unseen", "derived")),
        *(("federated", "pooled", name) for name in ("own", "unseen", "derived")),
        ("personal", "federated", "own"),
    ):
        if name in results[first] and name in results[second]:
            points = skeleton.spread(_percent(np.subtract(results[first][name], results[second][name])), sign="+")
            differences.append(f"{first} less {second}, {name}: {points}")
    note = f"Paired by seed: {'; '.join(differences)}."
    print(f"\n{note}")
    print(f"architectures among the personal ones, by seed: {[int(n) for n in results['personal']['architectures']]}")
    tracked.record(
        arguments,
        shown.rows,
        code=["kerasnas/federated", "kerasnas/trainers"],
        intervals="Accuracy in percent, ± 95 % interval over the seeds",
        note=note,
        seeds=range(arguments.seeds),
        runs=[{"seed": seed, **one} for seed, one in enumerate(found)],
    )


def _percent(values: Any) -> np.ndarray:
    return 100 * np.asarray(values)


if __name__ == "__main__":
    main()
