"""Benefit of ENAS' weight sharing and controller on real images (fashion_mnist_mini, bundled), as Markdown.

    python benchmarks/enas.py                       # about 35 minutes of CPU
    python benchmarks/enas.py --seeds 0 --children 4 --epochs 2 --retrain_epochs 1      # a preview

(a) Does the reward under shared weights rank children as their accuracies do when each is trained alone (Spearman)?
Measured with weights trained on random children for longer, and with those trained by the controller's children, which
random children have hardly used. (b) Do the controller's samples end with a better reward than random ones under the
same weights, on images that neither phase saw? (c) Is the derived child, trained alone, better than random children of
equal budget? The random children are trained once; the seeds vary the search and the training of the derived child.
"""

import statistics
import time

import numpy as np
import skeleton
import tracked


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        seeds={"type": int, "nargs": "+", "default": [0, 1, 2]},
        children=(20, "random children that are trained alone"),
        samples=(30, "of the controller, and at random, for (b)"),
        epochs=(25, "of the search"),
        controller_steps=(50, "in each epoch"),
        controller_rate=(0.001, "the paper has 0.00035 and 300,000 steps"),
        attention=(False, "not a softmax for each choice"),
        uniform_epochs=(60, "of the weights trained on random children"),
        retrain_epochs=4,
        filters=8,
        cells=2,
        nodes=3,
    )

    import kerasnas
    from kerasnas.spaces import ENASMicroSpace

    data = kerasnas.datasets.load("fashion_mnist_mini")
    space = ENASMicroSpace(arguments.filters, arguments.cells, arguments.nodes, stem_strides=2)
    rng, begin = np.random.default_rng(0), time.process_time()
    children: list = []
    while len(children) < arguments.children:
        children = list(dict.fromkeys([*children, space.sample(rng)]))
    alone = []
    for child in children:
        alone.append(train_alone(space, child, data, arguments.retrain_epochs, seed=0))
        print(f"random child {len(alone)}: {alone[-1]:.4f}", flush=True)
    print(
        f"random children: {statistics.mean(alone):.4f} +- {statistics.stdev(alone):.4f}, best {max(alone):.4f}, "
        f"{(time.process_time() - begin) / len(alone):.0f} CPU s each",
        flush=True,
    )

    rows = []
    for seed in arguments.seeds:
        rows.append(search(space, data, children, alone, arguments, seed))
        print(rows[-1], flush=True)
    print()
    note = summary(rows, alone)
    code = ["kerasnas/trainers", "kerasnas/spaces/enas.py", "kerasnas/strategies/controller.py"]
    tracked.record(arguments, table(rows), code=code, note=note, runs=rows)
    print(f"\n{note}")


def train_alone(space, genotype, data, epochs: int, seed: int) -> float:
    """Return the test accuracy of the stand-alone network of `genotype`."""
    import keras

    from kerasnas.datasets.batches import ArrayBatches

    keras.utils.clear_session()
    model = space.build_network(genotype, data.input_shape, data.num_classes, seed=seed)
    batches = ArrayBatches(data.x_train, data.y_train, 64, seed=seed)
    schedule = keras.optimizers.schedules.CosineDecay(0.05, len(batches) * epochs)
    model.compile(
        keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=1e-4, global_clipnorm=5.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    follow = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.set_epoch(epoch))
    model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[follow])
    return float(model.evaluate(data.x_test, data.y_test, batch_size=250, verbose=0)[1])


def search(space, data, children: list, alone: list[float], arguments, seed: int) -> dict:
    """Run one search; answer the three questions."""
    from kerasnas.search import Controller, ENASTrainer

    begin = time.process_time()
    settings = {"learning_rate": arguments.controller_rate, "attention": arguments.attention, "unique": False}
    controller = Controller(space, seed, **settings)
    supernet = space.build_supernet(data.input_shape, data.num_classes, seed=seed)
    trainer = ENASTrainer(supernet, space, controller)
    trainer.compile()
    options = {"epochs": arguments.epochs, "controller_steps": arguments.controller_steps, "verbose": 2, "seed": seed}
    history = trainer.fit(data.x_train, data.y_train, **options).history
    seconds = time.process_time() - begin
    test = data.x_test, data.y_test
    rng = np.random.default_rng([seed, 1])
    random = [space.sample(rng) for _ in range(arguments.samples)]
    shared = trainer.evaluate_children(children, *test)
    sampled, uniform = (trainer.evaluate_children(g, *test) for g in (trainer.sample(arguments.samples), random))
    derived = trainer.derive(20)
    return {
        "seed": seed,
        "uniform": rank_uniformly(space, data, children, alone, arguments.uniform_epochs, seed),
        "spearman": skeleton.spearman(shared, alone),
        "sampled": float(sampled.mean()),
        "random": float(uniform.mean()),
        "derived": train_alone(space, derived, data, arguments.retrain_epochs, seed),
        "entropy": (history["controller_entropy"][0], history["controller_entropy"][-1]),
        "seconds": seconds,
    }


def rank_uniformly(space, data, children: list, alone: list[float], epochs: int, seed: int) -> float:
    """Return Spearman's coefficient under weights that random children trained."""
    from kerasnas.search import ENASTrainer, RandomSearch

    supernet = space.build_supernet(data.input_shape, data.num_classes, seed=seed)
    trainer = ENASTrainer(supernet, space, RandomSearch(space, seed, unique=False))
    trainer.compile()
    trainer.fit(data.x_train, data.y_train, epochs=epochs, controller_steps=0, verbose=0, seed=seed)
    return skeleton.spearman(trainer.evaluate_children(children, data.x_test, data.y_test), alone)


COLUMNS = {"uniform": 2, "spearman": 2, "sampled": 4, "random": 4}


def table(rows: list[dict]) -> list[dict]:
    """Print the answers; return them as rows."""
    differences = ("controller's samples", "random samples", "difference")
    ranks, entropies = ("Spearman, uniform", "Spearman, controller's weights"), ("entropy at first", "entropy at last")
    shown = tracked.Table(["seed", *ranks, *differences, "derived, alone", *entropies, "search, CPU s"])
    for row in rows:
        values = [f"{row[key]:.{digits}f}" for key, digits in COLUMNS.items()]
        gap = f"{row['sampled'] - row['random']:+.4f}"
        entropy = [f"{value:.2f}" for value in row["entropy"]]
        shown.add([str(row["seed"]), *values, gap, f"{row['derived']:.4f}", *entropy, f"{row['seconds']:.0f}"])
    return shown.rows


def summary(rows: list[dict], alone: list[float]) -> str:
    """Describe the means over the seeds, and how the derived child compares with random ones."""
    differences, derived = [row["sampled"] - row["random"] for row in rows], [row["derived"] for row in rows]
    text = ""
    if len(rows) > 1:
        text = f"Difference {_mean(differences, '+')}), derived {_mean(derived)}). "
    below = statistics.mean(value < statistics.mean(derived) for value in alone)
    return text + (
        f"{len(alone)} random children of equal budget: {_mean(alone)}, best {max(alone):.4f}); the derived mean is "
        f"above {below:.0%} of them."
    )


def _mean(values, sign=""):
    return f"{statistics.mean(values):{sign}.4f} (sd {statistics.stdev(values):.4f}"


if __name__ == "__main__":
    main()
