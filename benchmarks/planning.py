"""Planning: whole episodes in generated mazes or grid worlds, by a searched network and by hand-made ones.

    python benchmarks/planning.py --kind=maze --cpu_minutes=1.5 --seeds=3 --output=runs/planning.jsonl
    python benchmarks/planning.py --summarize=runs/planning.jsonl

Every run is a process of its own on one thread, whose whole processor time counts: import, generating the worlds,
tracing, search, training. All train on the same 5,000 worlds of 11 x 11 places (`kerasnas.datasets.mazes`, seed 0), on
the first move of a shortest path. The contenders are

- `searched`: `kerasnas search --space=planning --dataset=mazes --cpu_minutes`;
- `cnn`: the CNN of 32, 64 and 128 filters of `value.py`, whose features are averaged over the world;
- `cnn at the agent`: eight 3x3 convolutions of 32 filters with batch norm, whose features at the agent are read;
- `value iteration network`: Tamar et al.'s: 150 filters, a reward of one channel, 10 actions, 16 iterations, read at
  the agent;

the hand-made ones in plain Keras, with Adam, gradients clipped to a norm of 1, and a cosine for all of the time; the
rate of the value iteration network is the best of 0.001, 0.003 and 0.01 with another seed. Reported is how many agents
arrive that move until they arrive or go round in circles (`kerasnas.datasets.roll_out`), in 1,000 unseen worlds, and,
with the same weights, in `--samples` larger ones; recurrent networks with as many iterations as in training, and with
more, in proportion to the side. Evaluation in larger worlds is not timed. Runs that `--output` holds are not repeated.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import skeleton
import tracked
import value_contenders

KINDS = {"maze": "mazes", "obstacles": "grid_worlds"}
SIZE, LARGER = 11, (15, 19)
ITERATIONS = 16  # of the value iteration network
RATES = {"cnn": 1e-3, "cnn at the agent": 3e-3, "value iteration network": 1e-2}
CONTENDERS = ("searched", *RATES)
_FINISH = 3.0  # seconds that saving and evaluation are given


# Networks ---------------------------------------------------------------------------------------------------
def cnn(shape, iterations):
    return value_contenders.cnn(shape, 4)


def _at_the_agent(features, inputs):
    """Read features at the place that the last channel of the input marks; score each move."""
    from keras import layers

    marked = layers.Multiply()([features, inputs[..., 2:]])
    _, height, width, _ = features.shape
    return layers.Dense(4)(layers.GlobalAveragePooling2D()(layers.Rescaling(float(height * width))(marked)))


def cnn_at_the_agent(shape, iterations):
    import keras
    from keras import layers

    x = inputs = keras.Input(shape)
    for _ in range(8):
        x = layers.Conv2D(32, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(inputs, _at_the_agent(x, inputs))


def value_iteration_network(shape, iterations):
    import keras
    from keras import layers, ops

    inputs = keras.Input(shape)
    hidden = layers.Conv2D(150, 3, padding="same")(inputs)
    reward = layers.Conv2D(1, 1, use_bias=False)(hidden)
    of_reward = layers.Conv2D(10, 3, padding="same", use_bias=False)(reward)
    bellman = layers.Conv2D(10, 3, padding="same", use_bias=False)
    q = of_reward
    for _ in range(iterations):
        q = layers.Add()([of_reward, bellman(ops.max(q, axis=-1, keepdims=True))])
    return keras.Model(inputs, _at_the_agent(q, inputs))


BUILDERS = dict(zip(RATES, (cnn, cnn_at_the_agent, value_iteration_network), strict=True))


# One run ----------------------------------------------------------------------------------------------------
def run_hand_made(contender, kind, seconds, seed, data):
    """Return the trained network, a function that builds it for another size and number of iterations, and a record."""
    import keras

    from kerasnas.datasets.batches import ArrayBatches

    keras.utils.set_random_seed(seed)
    build = BUILDERS[contender]
    model = build(data.input_shape, ITERATIONS)
    batches = ArrayBatches(data.x_train, data.y_train, 64, seed=seed)
    skeleton.train_until(model, batches, seconds - _FINISH, RATES[contender], global_clipnorm=1.0)

    def larger(shape, iterations):
        other = build(shape, iterations)
        other.set_weights(model.get_weights())
        return other

    iterations = ITERATIONS if contender == "value iteration network" else 0
    return model, larger, {"iterations": iterations, "rate": RATES[contender]}


def run_searched(kind, minutes, seed, data):
    import keras

    from kerasnas import Genotype
    from kerasnas.spaces import PlanningSpace

    with tempfile.TemporaryDirectory() as folder:
        flags = "--space=planning", f"--dataset={KINDS[kind]}", f"--cpu_minutes={minutes}", f"--seed={seed}"
        before = sum(os.times()[2:4])
        result = skeleton.search(Path(folder, "run"), *flags)
        cpu = sum(os.times()[2:4]) - before
        genotype = Genotype.load(Path(folder, "run", "genotype.json"))
        model = keras.models.load_model(Path(folder, "run", "model.keras"))
    space = PlanningSpace.for_data(data.input_shape, 4, len(data.x_train))

    def larger(shape, iterations):
        return space.transfer(model, genotype, shape, iterations)

    rungs = {name: [r["accuracy"] for r in one["rungs"]] for name, one in result["race"]["contestants"].items()}
    cell = [edge.primitive for edge in genotype["network"]]
    record = {"winner": result["race"]["winner"], "raced": rungs, "network": cell}
    return model, larger, {**record, "iterations": int(space.assignment(genotype)["iterations"]), "cpu_seconds": cpu}


def run(contender, kind, minutes, seed, samples):
    from kerasnas.cost.counting import parameters
    from kerasnas.datasets import mazes, roll_out

    data = mazes(kind=kind)
    if contender == "searched":
        model, larger, more = run_searched(kind, minutes, seed, data)
    else:
        model, larger, more = run_hand_made(contender, kind, 60 * minutes, seed, data)
        more["cpu_seconds"] = time.process_time()
    commit = tracked.git("rev-parse", "--short", "HEAD")
    record = {"contender": contender, "kind": kind, "cpu_minutes": minutes, "seed": seed, "commit": commit}
    record |= {**more, "parameters": parameters(model)}
    outputs = model.predict(data.x_test, batch_size=250, verbose=0)
    record["accuracy"] = float((outputs.argmax(-1) == data.y_test).mean())
    record["worlds"] = [told(roll_out(model, data.x_test), SIZE, more["iterations"])]
    for size in LARGER:
        others = mazes(1, samples, size, kind, seed=1)
        proportional = round(more["iterations"] * size / SIZE)
        for iterations in dict.fromkeys((more["iterations"], proportional)):
            found = roll_out(larger(others.input_shape, iterations), others.x_test)
            record["worlds"].append(told(found, size, iterations))
    return record


def told(rollouts, size, iterations):
    found = {"size": size, "iterations": iterations, "samples": len(rollouts.reached)}
    ratio = rollouts.length_ratio
    return {**found, "success": rollouts.success_rate, "length_ratio": None if np.isnan(ratio) else ratio}


# All of them ------------------------------------------------------------------------------------------------
def summarize(arguments, rows):
    """Print a table for each kind of worlds: success of whole episodes, with 95 % intervals over worlds and runs.

    They are bootstrapped in two steps, over seeds and then over the worlds of each.
    """
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row for row in rows if row["kind"] == kind]
        columns = dict.fromkeys((world["size"], plan) for world, plan in _plans(own))
        titles = [f"{size}x{size}{', more iterations' if plan else ''}" for size, plan in columns]
        print()
        shown = tracked.Table([kind, "seeds", "next move", *titles, "length", "parameters", "CPU s"])
        for name in [name for name in CONTENDERS if any(row["contender"] == name for row in own)]:
            runs = [row for row in own if row["contender"] == name]
            found = {key: [world for world, plan in _plans(runs) if (world["size"], plan) == key] for key in columns}
            cells = [_cell(worlds) for worlds in found.values()]
            ratios = [row["worlds"][0]["length_ratio"] for row in runs if row["worlds"][0]["length_ratio"]]
            means = [np.mean([row[key] for row in runs]) for key in ("accuracy", "parameters", "cpu_seconds")]
            last = [f"{np.mean(ratios):.3f}" if ratios else "", f"{means[1]:,.0f}", f"{means[2]:.0f}"]
            shown.add([name, len(runs), f"{100 * means[0]:.1f}", *cells, *last])
        intervals = "Success of whole episodes in percent, with the 95 % interval over seeds and worlds"
        code = ["kerasnas/spaces/planning.py", "kerasnas/datasets", "kerasnas/racing"]
        part = None if kind == "maze" else kind
        seeds = sorted({row["seed"] for row in own})
        words = f"python benchmarks/planning.py --kind={kind} --cpu_minutes={own[0]['cpu_minutes']}"
        words += f" --seeds={len(seeds)}"
        more = {"code": code, "intervals": intervals, "runs": own, "part": part, "seeds": seeds, "command": words}
        tracked.record(arguments, shown.rows, **more)


def _plans(rows):
    """Return each world of the rows, and whether its network had more iterations than in training."""
    return [(world, world["iterations"] > row["iterations"]) for row in rows for world in row["worlds"]]


def _cell(worlds, draws=2000):
    if not worlds:
        return ""
    rng, rates = np.random.default_rng(0), np.array([world["success"] for world in worlds])
    picks = rates[rng.integers(len(rates), size=(draws, len(rates)))]
    low, high = np.percentile(rng.binomial(worlds[0]["samples"], picks).mean(axis=1), [2.5, 97.5])
    low, high = low / worlds[0]["samples"], high / worlds[0]["samples"]
    return f"{100 * rates.mean():.1f} ({100 * low:.1f} to {100 * high:.1f})"


def main():
    arguments = skeleton.arguments(
        __doc__,
        kind=skeleton.one_of(*KINDS),
        contenders=skeleton.listed(CONTENDERS),
        cpu_minutes=1.5,
        seeds=3,
        first_seed=0,
        samples=(200, "larger worlds of each size"),
        output=Path("runs/planning.jsonl"),
        summarize=(Path, "print what an output has, and do nothing else"),
        one=(str, skeleton.HIDDEN),
    )
    kind, minutes = arguments.kind, arguments.cpu_minutes
    if arguments.summarize:
        summarize(arguments, skeleton.Runs(arguments.summarize).records)
        return
    if arguments.one:
        contender, seed = arguments.one.split(",")
        print(json.dumps(run(contender, kind, minutes, int(seed), arguments.samples)))
        return
    runs = skeleton.Runs(arguments.output, "contender", "kind", "cpu_minutes", "seed")
    words = [f"--kind={kind}", f"--cpu_minutes={minutes}", f"--samples={arguments.samples}"]
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    order = itertools.product(seeds, arguments.contenders.split(","))
    missing = [(one, seed) for seed, one in order if not runs.has(one, kind, minutes, seed)]
    runs.measure(__file__, words, missing, processes=1)
    summarize(arguments, [row for row in runs.records if row["cpu_minutes"] == minutes])


if __name__ == "__main__":
    main()
