"""Few-shot classification: accuracy of MAML, MAML++, FOMAML, ANIL, Reptile and ProtoNet against steps and minutes.

    python benchmarks/few_shot.py DATA --method=maml --steps=1100
    python benchmarks/few_shot.py DATA --method=maml++ --ways=20 --steps=5000
    python benchmarks/few_shot.py DATA --method=reptile --shots=5 --steps=700
    python benchmarks/few_shot.py DATA --method=protonet --training_ways=20 --steps=1000
    python benchmarks/few_shot.py DATA --compare=3
    python benchmarks/few_shot.py DATA --compare=1 --schedule=long --split=random
    python benchmarks/few_shot.py IMAGES --split=mini_imagenet --method=maml++ --steps=60000
    python benchmarks/few_shot.py ARRAYS --split=classes --method=maml --steps=1000

Omniglot: DATA is a folder with it as one `.npz` (see `kerasnas.datasets.omniglot`), or "official" to download the
archives. `--split=official` learns on the background alphabets (964 characters, each in four rotations) and is tested
on the evaluation alphabets (659); `random` is the papers' split, 1,200 and 423 characters of any alphabet;
`six_alphabets` learns on 173 characters and is tested on 69 of two other alphabets.

Color images: IMAGES is a folder for `kerasnas.datasets.mini_imagenet`; ARRAYS an `.npz` of images `x` and labels `y`,
or a folder with one, whose classes `--split=classes` divides at random in miniImageNet's proportions, 64 to learn on,
16 to choose settings on and 20 to test on. `--part=validation` measures on the second of these.

600 episodes with 15 queries per class; ± is the 95 % confidence interval. Minutes are those of training, without the
intermediate tests: on the clock, and of the CPU. MAML++ is all its parts (`--first_order_share`, `--multi_step_share`
are shares of the steps); `--learn_inner_rates` and the like add one to MAML. `--compare` runs the methods of
`COMPARED`, each on the same test episodes on one thread, with this many seeds: for about a minute of CPU time, or by
the `long` schedule.
"""

import itertools
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import skeleton
import tracked

TRAINING = ("Balinese", "Greek", "Korean", "Latin", "Sanskrit", "Tagalog")
TEST = ("Japanese_(katakana)", "Early_Aramaic")
ROTATIONS = (0, 90, 180, 270)
OMNIGLOT, COLOR = ("official", "random", "six_alphabets"), ("mini_imagenet", "classes")
PUBLISHED = {  # MAML's inner loops
    "omniglot, 5 ways": {"inner_steps": 1, "inner_learning_rate": 0.4},
    "omniglot": {"inner_steps": 5, "inner_learning_rate": 0.1},  # and MAML++'s
    "color": {"inner_steps": 5, "inner_learning_rate": 0.01, "adaptation_steps": 10},
}
COMPARED = {
    "minute": {  # about 45 s of CPU time each, on one thread of an idle machine
        "ProtoNet, trained on 20 ways": "--method=protonet --training_ways=20 --query_shots=1 --steps=2600 "
        "--learning_rate=1e-2 --decay",
        "MAML": "--method=maml --query_shots=5 --steps=350 --learning_rate=3e-3 --decay",
        "Reptile": "--method=reptile --inner_learning_rate=0.01 --steps=800",
    },
    "long": {
        "MAML": "--method=maml --query_shots=5 --steps=10000 --learning_rate=2e-3 --decay",
        "FOMAML": "--method=fomaml --query_shots=5 --steps=10000 --learning_rate=2e-3 --decay",
        "Reptile": "--method=reptile --inner_learning_rate=0.01 --steps=8000",
    },
}
QUESTIONS = {
    "minute": "How accurate are prototypes, MAML and Reptile on Omniglot after a minute of training?",
    "long": "And MAML, FOMAML and Reptile after thousands of steps?",
}
NOTES = {
    "minute": "5-way 1-shot, 28x28, four blocks of 64 filters, the same initial weights but for the head, the same "
    "test episodes, one thread; trained on 964 characters in four rotations, tested on 659. Learning rate, ways and "
    "queries of ProtoNet were chosen on held-out training characters, in 15 s; those of the others earlier. With long "
    "training and another split, the papers report 98.8 (ProtoNet) and 98.7 (MAML).",
    "long": "The same networks, trained on 1,200 characters and tested on the 423 others, as in the papers, which "
    "report, by the transductive protocol, 98.7 (MAML), 98.3 (FOMAML) and 97.7 (Reptile) after 60,000 steps of 32 "
    "tasks, and 100,000 of 5. The rates were not tried against others. FOMAML is behind because of its single inner "
    "step of 0.4: with five of 0.1 it reached 90.4 after 1,200 steps (3.1 CPU minutes), with the one 77.0 (by hand, "
    "transductive).",
}
OPTIONS = ("learn_inner_rates", "per_step_statistics", "per_step_scale_offset")  # of MAML++, that MAML may have too


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        "data",
        method=skeleton.one_of("maml", "maml++", "fomaml", "anil", "reptile", "protonet"),
        split={"default": "official", "choices": (*OMNIGLOT, *COLOR)},
        part=skeleton.one_of("test", "validation", help="of color images"),
        filters=(int, "default 64; of color images 32, MAML++ 48"),
        ways=5,
        training_ways=(int, "of a training task of ProtoNet; default as many as of a test"),
        shots=1,
        query_shots=(15, "of a training task"),
        steps=1100,
        tasks=(int, "of a step; default 16, of color images 4, Reptile 5, ProtoNet 1"),
        inner_steps=(int, "default 5; MAML with 5 ways of Omniglot 1"),
        inner_learning_rate=(float, "default the papers', such as 0.4 for 1 step"),
        learning_rate=(float, "of the initialization; default 1e-3 (Adam), Reptile 1"),
        decay=(False, "anneal the learning rate of the initialization to 0"),
        cosine=(False, "the same by a cosine, to a hundredth; MAML++ always"),
        **dict.fromkeys(OPTIONS, (False, "a part of MAML++")),
        first_order_share=(float, "of the steps, at the start; default 0, MAML++ 1/3"),
        multi_step_share=(float, "of the steps, at the start; default 0, MAML++ 0.1"),
        adaptation_steps=(int, "default that of training, of color images 10, Reptile 50"),
        every=(100, "steps between tests on 100 episodes"),
        episodes=(600, "of the last test"),
        seed=0,
        threads=2,
        save=(Path, "folder for the initialization and its card"),
        compare=(int, "number of seeds of the methods of `COMPARED`"),
        schedule=skeleton.one_of(*COMPARED, help="of --compare"),
        raw=("runs/few_shot.jsonl", "the file of the runs of --compare, which is continued"),
    )
    if arguments.compare:
        return compare(arguments)
    skeleton.prepare(1, arguments.threads)
    import keras

    from kerasnas.datasets import EpisodeSampler

    (x, y), (x_test, y_test) = pools(arguments.data, arguments.split, arguments.part)
    rotations = (0,) if arguments.split in COLOR else ROTATIONS
    reptile = arguments.method == "reptile"
    shots, queries = (max(10, arguments.shots), 0) if reptile else (arguments.shots, arguments.query_shots)
    ways = arguments.training_ways or arguments.ways
    training = EpisodeSampler(x, y, ways, shots, queries, rotations=rotations, seed=arguments.seed)
    test = EpisodeSampler(x_test, y_test, arguments.ways, arguments.shots, 15, seed=12345)
    learner = make(arguments, x.shape[1:])
    few = arguments.split in COLOR and learner.default_tasks > 5
    tasks = arguments.tasks or (4 if few else learner.default_tasks)
    rate: Any = arguments.learning_rate or (1.0 if reptile else 1e-3)
    if arguments.cosine or arguments.method == "maml++":
        rate = keras.optimizers.schedules.CosineDecay(rate, arguments.steps, alpha=0.01)
    elif arguments.decay or reptile:
        rate = keras.optimizers.schedules.PolynomialDecay(rate, arguments.steps, 0.0)
    learner.compile(keras.optimizers.SGD(rate) if reptile else keras.optimizers.Adam(rate))

    shown = tracked.Table(["step", "minutes", "CPU minutes", "accuracy", "transductive"])
    clock = Clock()

    seconds: list[float] = []

    class Curve(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.begun = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seconds.append(time.perf_counter() - self.begun)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            clock.stop()
            found = learner.evaluate(test, 100)
            shown.add(_row((epoch + 1) * every, clock, found))
            clock.start()

    every = min(arguments.every, arguments.steps)
    clock.start()
    learner.fit(training, arguments.steps, tasks, steps_per_epoch=every, verbose=0, callbacks=[Curve()])
    found = learner.evaluate(test, arguments.episodes)
    shown.add(_row(f"{arguments.steps}, {arguments.episodes} episodes", clock, found))
    intervals, code = "Accuracy in percent, ± 95 % interval over the episodes", ["kerasnas/meta", "kerasnas/backend"]
    tracked.record(arguments, shown.rows, code=code, intervals=intervals, runs=shown.rows)
    if arguments.save:
        save(learner, arguments, found, tasks, clock.minutes)
    keys = ("method", "split", "ways", "shots", "steps", "seed")
    record = {key: getattr(arguments, key) for key in keys} | {"tasks": tasks, "minutes": round(clock.minutes, 2)}
    record |= {"cpu_minutes": round(clock.cpu_minutes, 2)}
    record["tasks_per_second"] = round(tasks / float(np.median(seconds)), 1)
    print(json.dumps(record | {name: str(value) for name, value in found.items()}))


def compare(arguments: Any) -> None:
    """Measure what is missing of the methods of `COMPARED`, in processes of one thread, and print their table."""
    compared, schedule = COMPARED[arguments.schedule], arguments.schedule
    runs = skeleton.Runs(arguments.raw, "title", "schedule", "seed")
    for seed, (title, words) in itertools.product(range(arguments.compare), compared.items()):
        if not runs.has(title, schedule, seed):
            options = (*words.split(), f"--seed={seed}", f"--split={arguments.split}", "--threads=1")
            if found := skeleton.child(__file__, arguments.data, *options, "--every=1000000", **skeleton.ONE_THREAD):
                runs.add({"title": title, "schedule": schedule, "seed": seed, **found})
    shown = tracked.Table(["method", "steps x tasks", "accuracy", "by seed", "transductive", "CPU seconds"])
    kept = [run for run in runs.records if run["schedule"] == schedule and run["seed"] < arguments.compare]
    for title in compared:
        own = [run for run in kept if run["title"] == title]
        each = {
            name: [100 * float(run[name].split()[0]) for run in own] for name in ("accuracy", "accuracy_transductive")
        }
        by_seed = ", ".join(f"{value:.1f}" for value in each["accuracy"])
        seconds = 60 * float(np.mean([run["cpu_minutes"] for run in own]))
        size = f"{own[0]['steps']:,} x {own[0]['tasks']}"
        cells = [skeleton.spread(values) for values in each.values()]
        if len(own) == 1:  # then intervals are those over its episodes
            cells = [" ± ".join(f"{100 * float(part):.1f}" for part in own[0][name].split(" ± ")) for name in each]
        shown.add([title, size, cells[0], by_seed, cells[1], f"{seconds:.0f}"])
    tracked.record(
        arguments,
        shown.rows,
        code=["kerasnas/meta", "kerasnas/backend", "kerasnas/networks/few_shot.py"],
        intervals="Accuracy in percent on 600 episodes, 15 queries per class; ± 95 % interval over the seeds, or over "
        "the episodes of a single one",
        note=NOTES[schedule],
        part="compared" if schedule == "minute" else schedule,
        question=QUESTIONS[schedule],
        seeds=range(arguments.compare),
        runs=kept,
    )


def save(learner: Any, arguments: Any, found: Any, tasks: int, minutes: float) -> None:
    """Save the initialization with its results on Omniglot and on generated glyphs, which anyone can repeat."""
    from kerasnas.datasets import EpisodeSampler, glyphs
    from kerasnas.meta import ReptileInitializer
    from kerasnas.reporting.initializer_card import write_initializer_card

    drawn = glyphs(classes=40)
    on_glyphs = learner.evaluate(EpisodeSampler(drawn.x, drawn.y, arguments.ways, arguments.shots, 15), 100)
    figures = {f"{arguments.episodes} episodes of Omniglot, {name}": str(value) for name, value in found.items()}
    figures |= {f"100 episodes of glyphs(classes=40), {name}": str(value) for name, value in on_glyphs.items()}
    initializer = ReptileInitializer.from_learner(
        learner,
        command=shlex.join(["python", "benchmarks/few_shot.py", "DATA", *sys.argv[2:]]),
        data="omniglot",
        split=arguments.split,
        ways=arguments.ways,
        shots=arguments.shots,
        seed=arguments.seed,
        tasks_a_step=tasks,
        minutes=round(minutes, 1),
        figures=figures,
    )
    initializer.save(arguments.save)
    write_initializer_card(arguments.save)


class Clock:
    """Minutes while it runs, wall-clock and of the CPU."""

    def __init__(self) -> None:
        self.minutes = self.cpu_minutes = 0.0
        self._since = 0.0, 0.0

    def start(self) -> None:
        self._since = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        self.minutes += (time.perf_counter() - self._since[0]) / 60
        self.cpu_minutes += (time.process_time() - self._since[1]) / 60


def make(arguments: Any, input_shape: tuple[int, ...]) -> Any:
    from kerasnas.meta import MAML, ProtoNet, Reptile
    from kerasnas.networks import few_shot_network

    color, whole = arguments.split in COLOR, arguments.method == "maml++"
    filters = arguments.filters or (64 if not color else 48 if whole else 32)
    ways = arguments.training_ways or arguments.ways
    network = few_shot_network(input_shape, ways, filters, pooling=color, seed=arguments.seed)
    if arguments.method == "protonet":
        return ProtoNet(network)
    names = ("inner_steps", "inner_learning_rate", "adaptation_steps")
    options = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if arguments.method == "reptile":
        return Reptile(network, **options)
    options |= {name: whole or getattr(arguments, name) for name in OPTIONS}
    for name, share in (("first_order", 1 / 3), ("multi_step", 0.1)):
        given = getattr(arguments, f"{name}_share")
        steps = round(arguments.steps * (share * whole if given is None else given))
        options["first_order_steps" if name == "first_order" else "multi_step_loss_steps"] = steps
    few = arguments.ways == 5 and not whole
    published = PUBLISHED["color" if color else "omniglot, 5 ways" if few else "omniglot"]
    moved = {"anil": "head", "maml++": "all_but_batch_norm"}.get(arguments.method, "all")
    return MAML(network, arguments.method == "fomaml", inner_variables=moved, **(published | options))


def pools(data: Path, split: str, part: str) -> Any:
    """Return (images, labels) to learn on, and to test on."""
    from kerasnas.datasets import mini_imagenet, omniglot, split_classes

    if split == "mini_imagenet":
        learned, tested = (mini_imagenet(one, path=data) for one in ("train", part))
        return (learned.x, learned.y), (tested.x, tested.y)
    if split == "classes":
        file = next(data.glob("*.npz")) if data.is_dir() else data
        with np.load(file, allow_pickle=False) as arrays:
            x, y = arrays["x"], arrays["y"].astype("int64")
        learning, validation, test = split_classes(y, (0.64, 0.16, 0.2), seed=0)
        parts = [np.isin(y, own) for own in (learning, test if part == "test" else validation)]
        return tuple((x[rows], y[rows]) for rows in parts)
    path = None if str(data) == "official" else data / "omniglot" if (data / "omniglot").is_dir() else data
    if split == "official":
        background, evaluation = (omniglot(part, path=path) for part in ("background", "evaluation"))
        return (background.x, background.y), (evaluation.x, evaluation.y)
    every = omniglot("all", path=path)
    if split == "random":
        chosen = [np.isin(every.y, own) for own in split_classes(every.y, (1200, 423), seed=0)]
    else:
        chosen = [np.isin(every.y, every.of_alphabets(alphabets)) for alphabets in (TRAINING, TEST)]
    return tuple((every.x[rows], every.y[rows]) for rows in chosen)


def _row(step: Any, clock: Clock, found: Any) -> list[str]:
    accuracies = [found[name] for name in ("accuracy", "accuracy_transductive")]
    cells = [f"{100 * value.mean:.1f} ± {100 * value.interval:.1f}" for value in accuracies]
    return [str(step), f"{clock.minutes:.1f}", f"{clock.cpu_minutes:.1f}", *cells]


if __name__ == "__main__":
    main()
