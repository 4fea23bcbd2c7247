"""A deployed network on streams that drift: frozen, re-adapted, and trained from scratch at equal budget, as Markdown.

    OMP_NUM_THREADS=1 python benchmarks/drift.py DATA                     # three seeds, 6 minutes of a quiet core
    OMP_NUM_THREADS=1 python benchmarks/drift.py DATA --streams=concept --seeds=7 --raw=runs/concept.jsonl

`kannada.npz` (handwritten digits; `x_ood` is by other writers in other conditions) lies in or below DATA. A CNN of
three layers (16, 32, 64 filters, batch norm) is trained on 4,000 images; 1,000 further ones are the reference of its
`DriftMonitor` (false alarms 0.01, windows of 100), and 4,000 others the stream, in 40 windows. Drift starts at window
10, counted from 0:

- `none`: nothing changes.
- `covariate`: contrast falls to 0.35, brightness rises by 0.3, noise to a deviation of 0.3, in a ramp of ten windows.
- `prior`: four fifths of the images are of three classes of ten.
- `domain`: the images are those of `x_ood`.
- `concept`: five classes swap their names with the other five.

Each window is classified first (that is the accuracy), then observed with its labels. Three windows after an alarm, the
newest four, 400 labeled images, are what `readapt` gets, with the 4,000 training images to replay unless
`DriftReport.concept`; it has `--cpu_seconds` of one core, tracing included. The next five windows are the reference of
a new monitor. `from scratch` trains the same network from other initial weights at the same moments, on the same images
in the same proportion, for as long, and is always adopted. `no labels` is a monitor without them, and `readapt` too.

Accuracies are means over all windows after the drift started, and over the last ten; ± is the 95 % interval of the mean
over the seeds (Student's t). The delay is in windows, from the first one with drift to the alarm; of the ramp, from its
start. False alarms are counted before the drift, and in 400 further windows a seed, drawn from all images that were
neither trained on nor in the reference.

The optimizer of `readapt` and its patience were chosen on seed 9 of `domain`, `concept` and `covariate` (250 steps
each; Adam at 0.001 and 0.005, SGD at 0.03 and 0.1), after a run of seed 0 with Adam that lost to training from scratch.
"""

import math
import time
from pathlib import Path

import keras
import numpy as np
import skeleton
import tracked
from value_contenders import accuracy

from kerasnas import DriftMonitor, readapt
from kerasnas.drift.view import ModelView
from kerasnas.drift.windows import WindowedTest
from kerasnas.export.classifier import with_preprocessing
from kerasnas.networks.fused import fused
from kerasnas.training.loop import stepper

STREAMS = ("none", "covariate", "prior", "domain", "concept")
POLICIES = ("frozen", "adapted", "from scratch", "no labels")
WINDOW, WINDOWS, BEGINS, RAMP = 100, 40, 10, 10
RECENT, RENEWED, TRAINED, REFERENCE, BATCH = 4, 5, 4000, 1000, 64
EXTRA_WINDOWS = 400


def network(seed):
    """Return the CNN, of logits of images from 0 to 1."""
    draw = np.random.default_rng(seed)
    inputs = x = keras.Input((28, 28, 1))
    for filters in (16, 32, 64):
        kernel = keras.initializers.HeNormal(int(draw.integers(2**31)))
        x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer=kernel)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
        x = keras.layers.MaxPooling2D()(x)
    head = keras.layers.Dense(10, kernel_initializer=keras.initializers.GlorotUniform(int(draw.integers(2**31))))
    return keras.Model(inputs, head(keras.layers.GlobalAveragePooling2D()(x)))


def train(draw_batch, seconds, seed):
    """Train the network by SGD with a cosine, until the CPU seconds are used up; it takes raw images."""
    model = network(seed)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, global_clipnorm=5.0)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    begun, rng = time.process_time(), np.random.default_rng([seed, 2])
    with fused(model):
        take = stepper(model)
        while (done := (time.process_time() - begun) / seconds) < 1:
            optimizer.learning_rate.assign(0.05 * (1 + math.cos(math.pi * done)))
            x, y = draw_batch(rng)
            take((x / np.float32(255), y))
    bare = network(seed)
    bare.set_weights(model.get_weights())
    return with_preprocessing(bare, 255)


def batches(new, old):
    """Return a function that draws a batch, half of it from each of the two; the second may be None."""

    def draw(rng):
        parts = [(new, BATCH if old is None else BATCH // 2)] + ([] if old is None else [(old, BATCH // 2)])
        rows = [rng.choice(len(data[1]), number, replace=False) for data, number in parts]
        pairs = list(zip((data for data, _ in parts), rows, strict=True))
        return tuple(np.concatenate([data[part][row] for data, row in pairs]) for part in (0, 1))

    return draw


def stream(name, data, seed):
    """Return `(x, y)` of a stream: arrays (windows, samples, ...)."""
    x, y, x_ood, y_ood = data
    rng, number = np.random.default_rng([seed, 3]), WINDOW * WINDOWS
    rows, late = rng.permutation(len(x))[:number], np.arange(number) >= WINDOW * BEGINS
    if name == "prior":
        few = np.isin(y, (0, 1, 2))
        chances = np.where(few, 0.8 / few.sum(), 0.2 / (~few).sum())
        rows = np.where(late, rng.choice(len(x), number, p=chances), rows)
    images, labels = x[rows].astype("float32"), y[rows].copy()
    if name == "covariate":
        level = np.clip((np.arange(number) // WINDOW - BEGINS + 1) / RAMP, 0, 1).astype("float32")[:, None, None, None]
        noise = rng.normal(size=images.shape).astype("float32")
        images = np.clip((1 - 0.65 * level) * images + 255 * level * (0.3 + 0.3 * noise), 0, 255)
    if name == "domain":
        other = rng.permutation(len(x_ood))[: late.sum()]
        images[late], labels[late] = x_ood[other], y_ood[other]
    if name == "concept":
        labels[late] = (labels[late] + 5) % 10
    shape = (WINDOWS, WINDOW)
    return images.reshape(*shape, 28, 28, 1), labels.reshape(shape)


def accuracies(model, x, y):
    """Return the accuracy in each window."""
    if not len(x):
        return np.zeros(0)
    found = model.predict(x.reshape(-1, *x.shape[2:]), batch_size=250, verbose=0).argmax(axis=1)
    return (found.reshape(y.shape) == y).mean(axis=1)


def run(x, y, model, monitor, replay, seconds, labeled, scratch, seed):
    """Accuracy in each window of the adapted model and of the one from scratch, and what happened when."""
    scores, events, waiting, renewing = accuracies(model, x, y), [], None, None
    other = scores.copy()
    for window in range(WINDOWS):
        if renewing is not None:
            if window - renewing == RENEWED:
                rows = slice(renewing + 1, window + 1)
                monitor = monitor.renewed(model, *_flat(x[rows], y[rows] if labeled else None))
                renewing = None
            continue
        if waiting is None:
            report = monitor.observe(x[window], y[window] if labeled else None)
            if report.drift:
                waiting = window
                events.append({"alarm": window, "kinds": report.kinds})
        if waiting is not None and window - waiting == RECENT - 1:
            rows = slice(waiting, window + 1)
            new = _flat(x[rows], y[rows] if labeled else None)
            report = monitor.examine(*new)
            old = None if report.concept else replay
            begun = time.process_time()
            options = {"seconds": seconds, "cpu": True, "seed": seed}
            result = readapt(model, *new, **options, **({"replay": old} if labeled else {"monitor": monitor}))
            model, waiting, renewing = result.model, None, window
            events[-1] |= {"adopted": result.adopted, "reason": result.reason, "steps": result.steps}
            events[-1] |= {"seconds": time.process_time() - begun, "concept": report.concept}
            scores[window + 1 :] = accuracies(model, x[window + 1 :], y[window + 1 :])
            if scratch:
                again = train(batches(new, old), seconds, seed + 100 * len(events))
                other[window + 1 :] = accuracies(again, x[window + 1 :], y[window + 1 :])
    return scores, other, events


def _flat(x, y):
    return x.reshape(-1, *x.shape[2:]), None if y is None else y.reshape(-1)


def false_alarms(monitor, model, reference, rest, seed):
    """Alarms of the windows and of the labels in further windows without drift."""
    rng, counts, view = np.random.default_rng([seed, 4]), np.zeros(2, int), ModelView(model)
    outputs = [model.predict(x, batch_size=250, verbose=0) for x, _ in (reference, rest)]
    view.reading.watch(outputs[0])
    before, now = (view.columns(x, found) for (x, _), found in zip((reference, rest), outputs, strict=True))
    names = [*view.input_names, *view.output_names]
    test, wrong = WindowedTest(before, names, ["inputs"] * len(names), WINDOW), outputs[1].argmax(axis=1) != rest[1]
    for _ in range(EXTRA_WINDOWS):
        rows = rng.permutation(len(now))[:WINDOW]
        counts += [test.observe(now[rows]).drift, monitor.observe_errors(wrong[rows]).drift]
    return counts


def read(folder):
    """Return images and labels of `kannada.npz`."""
    path = skeleton.find(folder, "kannada.npz")
    with np.load(path) as file:
        arrays = {name: file[name] for name in ("x", "y", "x_ood", "y_ood")}
    return tuple(array.astype("int64" if name.startswith("y") else "uint8") for name, array in arrays.items())


def one_seed(seed, data, names, arguments):
    """Run all streams of a seed; return a JSON-serializable record."""
    x, y, x_ood, y_ood = data
    begun, order = time.process_time(), np.random.default_rng(seed).permutation(len(x))
    first, second, rest = np.split(order, [TRAINED, TRAINED + REFERENCE])
    model = train(batches((x[first], y[first]), None), arguments.first_seconds, seed)
    monitor = DriftMonitor(model, x[second], y[second], seed=seed)
    counts = false_alarms(
        monitor.renewed(model, x[second], y[second]), model, (x[second], y[second]), (x[rest], y[rest]), seed
    )
    record = {"seed": seed, "test": accuracy(model, x[rest], y[rest]), "ood": accuracy(model, x_ood, y_ood)}
    record |= {"false_alarms": counts.tolist(), "streams": {}}
    print(record, flush=True)
    replay = (x[first], y[first])
    for name in names:
        images, labels = stream(name, (x[rest], y[rest], x_ood, y_ood), seed)
        scores = {"frozen": accuracies(model, images, labels)}
        options = images, labels, model
        seeing, blind = (monitor.renewed(model, x[second], known) for known in (y[second], None))
        seconds = arguments.cpu_seconds
        scores["adapted"], scores["from scratch"], events = run(*options, seeing, replay, seconds, True, True, seed)
        scores["no labels"], _, blind_events = run(*options, blind, replay, seconds, False, False, seed)
        record["streams"][name] = {
            "scores": {policy: [float(score) for score in found] for policy, found in scores.items()},
            "events": {"labels": events, "none": blind_events},
        }
        print(f"  {name}: {events}\n    no labels: {blind_events}", flush=True)
    return {**record, "cpu_minutes": (time.process_time() - begun) / 60}


def report(arguments, records):
    """Print the tables."""
    seeds = [record["seed"] for record in records]
    print(f"\nSeeds {seeds}; {sum(record['cpu_minutes'] for record in records):.1f} minutes of the processor.\n")
    for what in ("test", "ood"):
        print(f"accuracy of the first network, {what}: {skeleton.spread([100 * record[what] for record in records])}")
    print()
    shown = tracked.Table(["drift", *POLICIES, "delay, windows", "delay without labels"])
    for start, what in ((BEGINS, "after the drift began"), (WINDOWS - 10, "last ten windows")):
        for name in records[0]["streams"]:
            found = [record["streams"][name] for record in records]
            scores = [[100 * np.mean(one["scores"][policy][start:]) for one in found] for policy in POLICIES]
            cells = [skeleton.spread(values) for values in scores]
            cells += [", ".join(_delay(one["events"][kind]) for one in found) for kind in ("labels", "none")]
            shown.add([f"{name}, {what}", *cells])
    counts = np.sum([record["false_alarms"] for record in records], axis=0)
    events = [one["events"] for record in records for one in record["streams"].values()]
    early = {kind: sum(event["alarm"] < BEGINS for one in events for event in one[kind]) for kind in events[0]}
    adaptations = [event for one in events for event in one["labels"] if "adopted" in event]
    note = (
        f"False alarms in {EXTRA_WINDOWS * len(records)} further windows: {counts[0]} of the windows, {counts[1]} of "
        f"the labels; in the {BEGINS * len(events)} windows of the streams before the drift: {early}."
    )
    note += f" Adaptations with labels: {len(adaptations)}, adopted {sum(one['adopted'] for one in adaptations)}."
    print(f"\n{note}")
    intervals = "Accuracy in percent, ± half of the 95 % interval over the seeds"
    code = ["kerasnas/drift", "kerasnas/deployment/readapting.py"]
    tracked.record(arguments, shown.rows, code=code, intervals=intervals, note=note, seeds=seeds, runs=records)


def _delay(events):
    late = [event["alarm"] - BEGINS for event in events if event["alarm"] >= BEGINS]
    return str(late[0]) if late else "never"


def main():
    arguments = skeleton.arguments(
        __doc__,
        "data",
        seeds="0,1,2",
        streams=",".join(STREAMS),
        cpu_seconds=(6.0, "of each adaptation"),
        first_seconds=(15.0, "of the first training"),
        raw=(Path("runs/drift.jsonl"), "a line for each seed; kept"),
    )
    runs, data = skeleton.Runs(arguments.raw, "seed"), read(arguments.data)
    for seed in skeleton.numbers(arguments.seeds):
        if not runs.has(seed):
            runs.add(one_seed(seed, data, skeleton.names(arguments.streams, STREAMS), arguments))
    report(arguments, sorted(runs.records, key=lambda record: record["seed"]))


if __name__ == "__main__":
    main()
