"""A search that follows its data: clothes that turn, change contrast and grow noisy, in known steps.

After each shift the search continues with its weights and architecture parameters, for a few steps on new images.
Baselines are the search before the first shift (frozen), and one from scratch with as many steps on the same images.
Accuracies are those of the supernet, on test images with the same shift. Before the first shift the search takes three
times the steps; its advantage over the one from scratch is all that it learned in earlier phases.

python examples/drift.py            # a few minutes on two cores
python examples/drift.py --tiny     # under a minute, a smoke test
"""

import argparse

import keras
import numpy as np

import kerasnas

PRIMITIVES = ("max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")
COLUMNS = ("frozen", "before its steps", "adapted", "from scratch")


def turned(degrees):
    return lambda x, rng: np.asarray(
        keras.layers.RandomRotation((degrees / 360, degrees / 360), fill_mode="constant")(x, training=True)
    )


SHIFTS = {  # each on top of those before it
    "as they are": lambda x, rng: x,
    "turned by 30 degrees": turned(30),
    "turned by 60 degrees": turned(30),
    "contrast inverted": lambda x, rng: 1 - x,
    "noisy": lambda x, rng: np.clip(x + rng.normal(0, 0.25, x.shape), 0, 1).astype("float32"),
}


def phases(data, size, seed):
    """Yield (name, x, y, x_test, y_test): each phase with its own training images, shifted."""
    rng = np.random.default_rng(seed)
    parts = np.split(rng.permutation(len(data.x_train))[: size * len(SHIFTS)], len(SHIFTS))
    passed = []
    for (name, shift), rows in zip(SHIFTS.items(), parts, strict=True):
        passed.append(shift)
        x, x_test = data.x_train[rows], data.x_test
        for step in passed:
            x, x_test = step(x, rng), step(x_test, rng)
        yield name, x, data.y_train[rows], x_test, data.y_test


def make_search(space, data, seed):
    search = kerasnas.BilevelTrainer(space.build_supernet(data.input_shape, data.num_classes, seed=seed))
    search.compile(learning_rate=0.05, architecture_optimizer=keras.optimizers.Adam(0.03, beta_1=0.5))
    return search


def state(search):
    """Return all that changes in a search: weights, architecture parameters, optimizer slots."""
    return [*search.variables, *search.optimizer.variables]


def edges(genotype):
    return {(kind, edge) for kind in genotype for edge in genotype[kind]}


def accuracy(search, x, y):
    return search.evaluate(x, y, batch_size=200, verbose=0, return_dict=True)["accuracy"]


def main(tiny: bool = False, seed: int = 0) -> dict[str, dict[str, float]]:
    data = kerasnas.datasets.load("fashion_mnist_mini")
    # images of a phase; epochs of the first phase, of the others
    size, first, budget = (256, 9, 3) if tiny else (1200, 12, 4)
    space = kerasnas.DARTSSpace(8, num_cells=3, num_nodes=1 if tiny else 2, primitives=PRIMITIVES, stem_strides=2)
    adapted, other = (make_search(space, data, seed) for _ in range(2))
    new = [keras.ops.convert_to_numpy(variable) for variable in state(other)]
    frozen, results = None, {}
    print(f"{size} new images per phase, {-(-size // 2 // 32) * budget} steps after each shift")
    print(f"| images | {' | '.join(COLUMNS)} | edges changed |\n| --- | --- | --- | --- | --- | --- |")
    for name, x, y, x_test, y_test in phases(data, size, seed):
        row, before = {"before its steps": accuracy(adapted, x_test, y_test)}, edges(adapted.derive())
        adapted.fit(x, y, batch_size=32, epochs=budget if frozen else first, verbose=0, seed=seed)
        row["adapted"] = accuracy(adapted, x_test, y_test)
        changed = before - edges(adapted.derive())
        frozen = frozen or adapted.get_weights()

        for variable, value in zip(state(other), new, strict=True):  # a search from scratch, without compiling again
            variable.assign(value)
        other.fit(x, y, batch_size=32, epochs=budget, verbose=0, seed=seed)
        row["from scratch"] = accuracy(other, x_test, y_test)
        other.set_weights(frozen)
        row["frozen"] = accuracy(other, x_test, y_test)

        results[name] = {column: row[column] for column in COLUMNS}
        columns = " | ".join(f"{value:.3f}" for value in results[name].values())
        print(f"| {name} | {columns} | {len(changed)} of {len(before)} |", flush=True)
    print(adapted.derive())
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
