"""Is a front ahead of one network that is scaled by hand to as many sizes, on the flash and the memory of a device?

    python benchmarks/devices.py DATA --cpu_minutes=5 --output=runs/devices.jsonl

Every run is a process of its own on one thread:

- `front`: `kerasnas search --method=front --starts=none`, five networks, each with a fifth of the time;
- `scaled`: the network that a race without limits begins with, and the same scaled to at most 65,000, 20,000, 6,000
  and 2,000 parameters, each trained as a race trains its winner for as long, from drawn weights, with the flips that
  the data allow;
- `resnet_8`: the network of MLPerf Tiny's image classification, in that time, alike.

All networks are exported in 8-bit integers. A run holds of each the accuracy on the test images, in Keras and in 8-bit
integers, the flash (bytes of the file) and the memory of the arena. Printed, for each set: the hypervolume of accuracy
in 8-bit integers and flash, and of that and memory, in percent of the area between guessing and a perfect network, and
from the largest to a 64th of it in octaves; the largest loss to 8-bit integers; and by how much the front is ahead of
the scaled networks over sets, seeds averaged first.

Runs that `--output` holds are not repeated.

Reference:
    Banbury et al., "MLPerf Tiny Benchmark", 2021 (arXiv 2106.07597); Lin et al., "MCUNet: Tiny Deep Learning on IoT
    Devices", NeurIPS 2020 (arXiv 2007.10319).
"""

import itertools
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import skeleton
import tracked
import value
import value_contenders as contenders

SETS = "pacs", "rsscn7", "notmnist", "fashion_mnist_mini", "gtsrb", "cifar10_mini", "neu_steel", "chula_rbc"
CONTENDERS = ("front", "scaled", "resnet_8")
PARAMETERS = (130_000, 65_000, 20_000, 6_000, 2_000)  # at most, of the scaled networks
LARGEST = {"flash": 1 << 18, "memory": 1 << 17}  # bytes, of the area
OCTAVES = 6


def run(contender, arrays, name, seconds, seed):
    """Return the networks of a contender: accuracies, flash and memory of each."""
    if contender == "front":
        return front(arrays, seconds, seed)
    if contender == "scaled":
        made = [contenders.scaled_network(most, arrays, seed)[0] for most in PARAMETERS]
    else:
        made = [contenders.resnet(*contenders.scaled(arrays)[4:], 1)]
    found = []
    for model in made:
        end = time.process_time() + seconds / len(PARAMETERS)
        score = contenders.train_as_winner(model, name, arrays, time.process_time, end, seed)
        found.append({"score": score, **in_integers(model, arrays)})
    return found


def front(arrays, seconds, seed):
    """Return the networks of `kerasnas search --method=front`."""
    from kerasnas.files.stages import Stages

    with tempfile.TemporaryDirectory() as folder:
        data = skeleton.save(Path(folder, "data.npz"), arrays)
        flags = "--method=front", "--starts=none", f"--networks={len(PARAMETERS)}", f"--cpu_minutes={seconds / 60}"
        skeleton.search(Path(folder, "run"), f"--dataset={data}", *flags, f"--seed={seed}")
        networks = Stages(Path(folder, "run")).stage("front")["networks"]
    keys = ("winner", "parameters", "score", "int8", "flash", "memory")
    return [{key: network[key] for key in keys} for network in networks]


def in_integers(model, arrays):
    """Return the accuracy of a network of pixels from 0 to 1 in 8-bit integers, and its flash and memory in bytes."""
    from kerasnas.cost import device_cost
    from kerasnas.export.classifier import Classifier, with_preprocessing
    from kerasnas.export.formats import export_classifier

    x, y, x_test, y_test = arrays
    classes = int(max(y.max(), y_test.max())) + 1
    classifier = Classifier(with_preprocessing(model, 255), tuple(map(str, range(classes))), 255)
    with tempfile.TemporaryDirectory() as folder:
        export = export_classifier(classifier, "litert-int8", folder, x_test, x)
    accuracy = float((export.answers.argmax(-1) == y_test).mean())
    return {"int8": accuracy, "flash": export.size, "memory": device_cost(classifier.model).memory}


def volume(networks, cost, guessing):
    """Return the hypervolume of accuracy and a cost, in percent of the area from guessing and the largest cost."""
    from kerasnas.pareto import hypervolume

    points = [[one["int8"], -np.log2(max(one[cost], LARGEST[cost] >> OCTAVES))] for one in networks]
    area = (1 - guessing) * OCTAVES
    return 100 * hypervolume(np.array(points), (guessing, -np.log2(LARGEST[cost]))) / area


def report(arguments, records):
    """Record and print the hypervolumes of each set, seeds averaged, and what 8-bit integers cost."""
    names = [name for name in CONTENDERS if any(record["contender"] == name for record in records)]
    shown = tracked.Table(["data", "cost", *names, "lost to 8-bit integers, points, at most"])
    leads = {cost: [] for cost in LARGEST}
    for name in sorted({record["set"] for record in records}):
        own = [record for record in records if record["set"] == name]
        lost = max(100 * (one["score"] - one["int8"]) for record in own for one in record["networks"])
        for cost in LARGEST:
            volumes = {
                contender: [volume(r["networks"], cost, r["guessing"]) for r in own if r["contender"] == contender]
                for contender in names
            }
            shown.add([name, cost, *(tracked.mean(found, 1, 1) for found in volumes.values()), f"{lost:.1f}"])
            if volumes.get("front") and volumes.get("scaled"):
                leads[cost].append(np.mean(volumes["front"]) - np.mean(volumes["scaled"]))
    for cost, lead in leads.items():
        if len(lead) > 1:
            shown.add(["(front - scaled)", cost, tracked.mean(lead, 1, 1), *[""] * len(names)])
    intervals = "Hypervolume in percent; mean ± 95 % interval over the runs, in the last rows over sets (their number)"
    code = ["kerasnas/methods", "kerasnas/racing", "kerasnas/export", "kerasnas/cost"]
    tracked.record(arguments, shown.rows, code=code, intervals=intervals, runs=records)


def main():
    arguments = skeleton.arguments(
        __doc__,
        "data",
        sets=skeleton.listed(SETS),
        contenders=skeleton.listed(CONTENDERS),
        cpu_minutes=5.0,
        seeds=1,
        output=Path("runs/devices.jsonl"),
        one=(str, skeleton.HIDDEN),
    )
    minutes = arguments.cpu_minutes
    if arguments.one:
        contender, name, seed = arguments.one.split(",")
        arrays = value.load(arguments.data, name)
        guessing = float(np.bincount(arrays[3]).max() / len(arrays[3]))
        networks = run(contender, arrays, name, 60 * minutes, int(seed))
        record = {"contender": contender, "set": name, "cpu_minutes": minutes, "seed": int(seed)}
        print(json.dumps({**record, "guessing": guessing, "networks": networks}))
        return
    names = skeleton.names(arguments.contenders, CONTENDERS)
    runs = skeleton.Runs(arguments.output, "contender", "set", "cpu_minutes", "seed")
    order = itertools.product(range(arguments.seeds), arguments.sets.split(","), names)
    missing = [(one, name, seed) for seed, name, one in order if not runs.has(one, name, minutes, seed)]
    runs.measure(__file__, [arguments.data, f"--cpu_minutes={minutes}"], missing, 1)
    report(arguments, [r for r in runs.records if r["cpu_minutes"] == minutes and r["contender"] in names])


if __name__ == "__main__":
    main()
