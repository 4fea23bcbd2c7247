"""What does a start give a few images a class, in closed form? Ridge regression on frozen features, by size and head.

    python benchmarks/few_images.py DATA --raw=RAW

Needs the extra `photos`. The head of a frozen EfficientNet-Lite0 is fitted to 5 and to 20 images a class (those that
`initializations.py` draws, too), for each size of the images and each head of `AdaptationSpace`:

- a size and a head: the accuracy of that head;
- `chosen`: that of the head whose loss on left-out images is the least, which costs no image: `kerasnas.starts.begin`
  states what the regression on all other images says of each;
- `mean`: the mean of the outputs of all heads.

Test accuracy on at most 1000 test images. Measurements are added to `--raw` and not repeated.
"""

import itertools
import time

import numpy as np
import skeleton
import tracked
from initialization_data import dataset
from initializations import subset

START = "efficientnet_lite0"
CHOSEN_ON = ("gtsrb", "caltech101", "rsscn7")
OTHERS = ("pacs", "sign_digits", "neu_steel", "chula_rbc", "bccd_cells", "kannada", "notmnist")
OTHERS = (*OTHERS, "fashion_mnist_mini", "cifar10_mini")
NEAR = {"bccd_cells": "chula_rbc"}  # one domain, when domains are counted
SIZES, HEADS, SHOTS, MOST = (96, 128), ("last", "stages", "grid"), (5, 20), 1000
NOTE = (
    "Ridge regression on frozen features of EfficientNet-Lite0 (ImageNet). `last`, `stages`, `grid`: what the head "
    "reads. `chosen`: head and size with the least loss on left-out training images, and its lead on the first column; "
    "`mean`: of the outputs of all six. \\* Choices were to be made on these; none was after the others were measured. "
    "Blood cells, white and red, count as one domain in the means. Caltech-101 has 20 training images a class: its "
    "draws of 20 are the same. The features of both sizes took {:.0f} ms of processor time an image."
)


class Frozen:
    """The frozen features of images, computed once for each size."""

    def __init__(self, data, draws):
        from kerasnas.starts import AdaptationSpace
        from kerasnas.starts.probes import features_of, widths

        images = {image.tobytes(): image for x, _ in draws for image in x}
        self.rows, self.known = {key: row for row, key in enumerate(images)}, {}
        x, space = np.stack(list(images.values())), AdaptationSpace(starts=[START], sizes=SIZES)
        for size in SIZES:
            network = space.network(START, size, ("frozen",) * 5, "grid")
            model = space.build_network(network, data.input_shape, data.num_classes)
            self.known[size] = features_of(model, x), widths(model)

    def features(self, size, x):
        """Return what each head reads of images."""
        features, counts = self.known[size]
        found = features[[self.rows[image.tobytes()] for image in x]]
        return {head: found[:, :width] for head, width in counts.items()}


def loss(outputs, y):
    """Return the mean cross-entropy of logits."""
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), y]).mean())


def measure(frozen, classes, draw, test):
    """Fit all heads to one draw; return their accuracies, and what left-out images say of them."""
    from kerasnas.starts.probes import Head
    from kerasnas.tasks.known import CLASSIFICATION

    (x, y), (x_test, y_test) = draw, test
    found, left_out, losses, total = {}, {}, {}, 0.0
    for size in SIZES:
        features, tested = frozen.features(size, x), frozen.features(size, x_test)
        for head in HEADS:
            fitted = Head.fitted(features[head], y, CLASSIFICATION, classes)
            outputs, key = fitted.outputs(tested[head]), f"{head}_{size}"
            found[key] = float((outputs.argmax(axis=1) == y_test).mean())
            left_out[key] = float((fitted.left_out.argmax(axis=1) == y).mean())
            losses[key] = loss(fitted.left_out, y)
            total += outputs
    found["mean"] = float((total.argmax(axis=1) == y_test).mean())
    return {"samples": len(x), "test": found, "left_out": left_out, "left_out_loss": losses}


def accuracies(runs):
    """Return the mean accuracies of a domain's runs in percent, with those of the heads that left-out images choose."""
    found = [{key: 100 * value for key, value in run["test"].items()} for run in runs]
    for one, run in zip(found, runs, strict=True):
        one["chosen"] = one[min(run["left_out_loss"], key=run["left_out_loss"].get)]
    return {key: float(np.mean([one[key] for one in found])) for key in found[0]}


def report(arguments, runs):
    """Print the table: a row for each domain, and means over domains."""
    single = {f"{head}_{size}": f"{head}, {size} px" for size in SIZES for head in HEADS}
    keys = (*single, "chosen", "mean")
    shown = tracked.Table(["domain", "images a class", *single.values(), "chosen", "lead of it", "mean"])
    for shots in SHOTS:
        means = {}
        for name in (*CHOSEN_ON, *OTHERS):
            if own := [run for run in runs if (run["domain"], run["shots"]) == (name, shots)]:
                means[name] = accuracies(own)
        for name, found in means.items():
            found["lead"] = found["chosen"] - found["last_96"]
            cells = [*(f"{found[key]:.1f}" for key in keys[:-1]), f"{found['lead']:+.1f}", f"{found['mean']:.1f}"]
            shown.add([name + "*" * (name in CHOSEN_ON), shots, *cells])
        for title, left in (("all", ()), ("without those marked", CHOSEN_ON)):
            groups = {}
            for name in [name for name in means if name not in left]:
                groups.setdefault(NEAR.get(name, name), []).append(means[name])
            rows = [{key: np.mean([one[key] for one in own]) for key in own[0]} for own in groups.values()]
            cells = [skeleton.spread([row[key] for row in rows]) for key in (*keys[:-1], "lead", "mean")]
            shown.add([f"{title}: {len(rows)} domains", shots, *cells])
    read = {run["domain"]: run["features"] for run in runs}.values()
    pace = 1000 * sum(one["cpu_seconds"] for one in read) / sum(one["images"] for one in read)
    tracked.record(
        arguments,
        shown.rows,
        code=("kerasnas/starts", "kerasnas/companions/kernels.py"),
        intervals="Test accuracy in percent, mean of the draws; ± 95 % interval over domains",
        note=NOTE.format(pace),
        runs=runs,
    )


def main():
    """Measure what is missing, and print the table."""
    arguments = skeleton.arguments(
        __doc__,
        "data",
        domains=skeleton.listed(CHOSEN_ON + OTHERS),
        seeds=(3, "draws of the images"),
        raw=("runs/few_images.jsonl", "the file of measurements, which is continued"),
    )
    skeleton.prepare(1)
    runs = skeleton.Runs(arguments.raw, "domain", "shots", "seed")
    for name in skeleton.names(arguments.domains, CHOSEN_ON + OTHERS):
        missing = [one for one in itertools.product(SHOTS, range(arguments.seeds)) if not runs.has(name, *one)]
        if not missing:
            continue
        data, start = dataset(arguments.data, name), time.process_time()
        kept = np.random.default_rng(0).permutation(len(data.x_test))[:MOST]
        test, draws = (data.x_test[kept], data.y_test[kept]), [subset(data, *one) for one in missing]
        frozen = Frozen(data, [*draws, test])
        seconds = round(time.process_time() - start, 1)
        for (shots, seed), draw in zip(missing, draws, strict=True):
            found = measure(frozen, data.num_classes, draw, test)
            features = {"images": len(frozen.rows), "cpu_seconds": seconds}
            runs.add({"domain": name, "shots": shots, "seed": seed, **found, "features": features})
    report(arguments, runs.records)


if __name__ == "__main__":
    main()
