"""Experience of earlier searches of texts: do networks that did best on other texts help?

    python benchmarks/experience.py DATA --part=collect --raw=RAW
    python benchmarks/experience.py DATA --part=search --raw=RAW
    python benchmarks/experience.py DATA --raw=RAW

`--part=collect` trains twelve cells of the space of texts, one of each primitive throughout and five drawn at random,
on six data sets, by the trainings that a shortlist compares networks by: at most 3,000 texts, one half to train on and
one half held out. These are the earlier searches.

`--part=search` does what `kerasnas search --space=text --shortlist=4` does on 1,500 texts of a data set, with
`--no_experience` and with the records of the five other data sets. The two differ in two networks of the shortlist
alone: time is that of the processor, and shown.

Without `--part` the table: for each data set and seed the test accuracy of both runs; and what is looked up in the
trainings of `collect`: of three cells the one that is best on held-out texts, the three drawn at random (the mean over
all triples) or advised by the records of the other data sets; and of one cell likewise.

Measurements are added to `--raw` and not repeated. Nothing was tuned on these data.
"""

import itertools
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import skeleton
import tracked
from text import DATASETS, read

from kerasnas.modalities.augmentations import drop_words
from kerasnas.tasks.splits import split_samples

TEXTS, SEARCHED, EPOCHS, DRAWN = 3000, 1500, 6, 5
ARMS = {"without": {"no_experience": True}, "with": {"remember": True}}


def parts(data, name, most):
    """Return at most `most` training texts, their labels, those of the test, and the names of classes."""
    x, y, x_test, y_test, classes = read(data, name)
    chosen = np.random.default_rng(0).permutation(len(x))[:most]
    return x[chosen], y[chosen], x_test, y_test, classes


def ids_of(x, x_test):
    """Return token ids of texts, and the sizes of a space that follow from their vocabulary."""
    from kerasnas.modalities.fronts import Vocabulary

    front, _ = Vocabulary.learned(x.tolist())
    return front.ids(x.tolist()), front.ids(x_test.tolist()), front.sizes


def pool(space):
    """Return cells by name: a primitive on every edge, and random ones, the same for all data."""
    cells = {name: space.genotype(dict.fromkeys(space.choices, name)) for name in space.primitives if name != "none"}
    rng = np.random.default_rng(7)
    return {**cells, **{f"random-{index}": space.sample(rng) for index in range(1, DRAWN + 1)}}


def rows_of(raw, part):
    """Return the measurements of a part so far."""
    return [row for row in skeleton.Runs(raw).records if row["part"] == part]


def collect(arguments):
    """Train every cell of the pool on every data set, where that is not done."""
    from kerasnas.files.stages import Stages
    from kerasnas.spaces import TextSpace
    from kerasnas.tasks.known import CLASSIFICATION
    from kerasnas.training.network_training import NetworkTraining
    from kerasnas.training.recipe import TrainingRecipe

    runs = skeleton.Runs(arguments.raw, "part", "dataset", "seed", "cell")
    recipe = TrainingRecipe(EPOCHS, learning_rate=0.004, algorithm="adam", augment=drop_words)
    for seed, name in itertools.product(skeleton.numbers(arguments.seeds), arguments.datasets.split(",")):
        x, y, x_test, y_test, classes = parts(arguments.data, name, TEXTS)
        x, x_test, sizes = ids_of(x, x_test)
        space = TextSpace(num_nodes=2, filters=16, **sizes)
        training = NetworkTraining(space, x.shape[1:], len(classes), recipe)
        first, second = split_samples(CLASSIFICATION, y, 0.5, seed)
        data, held_out = (x[first], y[first]), (x[second], y[second])

        def test(model, test_data=(x_test, y_test)):
            return {"test": float(model.evaluate(*test_data, verbose=0, return_dict=True)["accuracy"])}

        for cell, genotype in pool(space).items():
            if runs.has("collect", name, seed, cell):
                continue
            start = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                found = training.run(Stages(folder), "one", genotype, data, held_out, seed, "val", describe=test)
            row = {"part": "collect", "dataset": name, "seed": seed, "cell": cell, "val": found["val_accuracy"]}
            row |= {key: found[key] for key in ("test", "parameters", "genotype")}
            runs.add({**row, "cpu_seconds": time.process_time() - start})


def records(arguments, seed):
    """Return, by data set, the record that the trainings of `collect` leave."""
    from kerasnas.meta.race_experience import RaceExperience
    from kerasnas.meta.tasks import describe_task

    found = {}
    for name in arguments.datasets.split(","):
        rows = [row for row in rows_of(arguments.raw, "collect") if (row["dataset"], row["seed"]) == (name, seed)]
        if not rows:
            continue
        x, y, x_test, _, classes = parts(arguments.data, name, TEXTS)
        task = describe_task(ids_of(x, x_test)[0], y, len(classes), inputs="text")
        best = max(rows, key=lambda row: row["val"])
        candidates = [
            {"name": row["cell"], "kind": "other", "genotype": row["genotype"], "curve": [[EPOCHS * 23, row["val"]]]}
            for row in rows
        ]
        budget = {"seconds": sum(row["cpu_seconds"] for row in rows), "cpu": True}
        found[name] = RaceExperience(task, budget, candidates, best["cell"], best["test"], inputs="text")
    return found


def search(arguments):
    """Whole runs, without and with the records of the other data sets."""
    from kerasnas import methods
    from kerasnas.meta import ExperienceStore

    runs = skeleton.Runs(arguments.raw, "part", "dataset", "seed", "arm")
    known = records(arguments, 0)
    for seed, name in itertools.product(skeleton.numbers(arguments.seeds), arguments.datasets.split(",")):
        arrays = parts(arguments.data, name, SEARCHED)
        for arm, options in ARMS.items():
            if runs.has("search", name, seed, arm):
                continue
            start = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                os.environ["KERASNAS_HOME"] = folder
                store = ExperienceStore()
                for other, record in known.items():
                    if other != name:
                        store.append(record)
                file = skeleton.save(Path(folder, "texts.npz"), arrays)
                options = {**options, "shortlist": 4, "shortlist_steps": ("400",), "random_genotypes": 0}
                config = methods.SearchConfig.suited(space="text", dataset=file, seed=seed, **options)
                result = methods.search(config, Path(folder) / "run", lambda line: None)
            advised = [one["genotype"] for one in result.get("experience", {"networks": []})["networks"]]
            val = max(one["val_accuracy"] for one in result["shortlist"]["rungs"][0]["networks"])
            row = {"part": "search", "dataset": name, "seed": seed, "arm": arm, "val": val}
            row |= {"test": result["searched"]["test_accuracy"], "cpu_seconds": time.process_time() - start}
            losses = result["searched"].get("linear", {}).get("losses")
            row |= {"advised": len(advised), "won": result["genotype"] in advised, "losses": losses}
            runs.add({**row, "genotype": result["genotype"]})


def best_of(cells, rows):
    """Return the test accuracy of the cell that is best on held-out texts, in percent."""
    return 100 * max((rows[cell] for cell in cells), key=lambda row: row["val"])["test"]


def looked_up(arguments, seed):
    """Return, by data set, the test accuracy of cells drawn at random and of those that the other sets advise."""
    from kerasnas.meta import advise

    known, found = records(arguments, seed), {}
    for name, own in known.items():
        # Of cells that are the same network under two names, the first.
        rows: dict[str, dict] = {}
        for row in rows_of(arguments.raw, "collect"):
            if (row["dataset"], row["seed"]) == (name, seed):
                rows.setdefault(json.dumps(row["genotype"]), row)
        others = [record for other, record in known.items() if other != name]
        advice = advise(own.task, None, others, "text", inputs="text")
        advised = [json.dumps(json.loads(one.genotype.to_json())) for one in advice][:3]
        triples = [best_of(cells, rows) for cells in itertools.combinations(rows, 3)]
        seconds = {cell: row["cpu_seconds"] for cell, row in rows.items()}
        found[name] = {
            "one at random": float(np.mean([100 * row["test"] for row in rows.values()])),
            "one advised": best_of(advised[:1], rows),
            "three at random": float(np.mean(triples)),
            "three advised": best_of(advised, rows),
            "seconds": (3 * float(np.mean(list(seconds.values()))), sum(seconds[cell] for cell in advised)),
        }
    return found


def report(arguments):
    """Print the table of both parts, and record it."""
    seeds = skeleton.numbers(arguments.seeds)
    tables = [table for seed in seeds if (table := looked_up(arguments, seed))]
    runs, searched = {}, [row for row in rows_of(arguments.raw, "search") if row["seed"] in seeds]
    both = [(row["dataset"], row["seed"]) for row in searched if row["arm"] == "with"]
    for row in searched:
        if (row["dataset"], row["seed"]) in both:  # a pair, of which neither is missing
            runs.setdefault((row["dataset"], row["arm"]), []).append(row)
    header = ["data", "one at random", "one advised", "three at random", "three advised", "run without", "run with"]
    shown = tracked.Table([*header, "CPU s of three", "of a run"])
    pairs = {"one": [], "three": [], "run": []}
    for name in arguments.datasets.split(","):
        own = [table[name] for table in tables if name in table]
        if not own:
            continue
        looked = {title: [one[title] for one in own] for title in header[1:5]}
        whole = {arm: [100 * row["test"] for row in runs.get((name, arm), [])] for arm in ARMS}
        for number in ("one", "three"):
            pairs[number].append((looked[f"{number} at random"], looked[f"{number} advised"]))
        if all(whole.values()):
            pairs["run"].append((whole["without"], whole["with"]))
        seconds = [np.mean([row["cpu_seconds"] for row in runs.get((name, arm), [])] or [np.nan]) for arm in ARMS]
        cells = [tracked.mean(values) if values else "-" for values in (*looked.values(), *whole.values())]
        costs = np.mean([one["seconds"] for one in own], axis=0)
        of_run = "-" if np.isnan(seconds).any() else ", ".join(f"{one:.0f}" for one in seconds)
        shown.add([name, *cells, ", ".join(f"{one:.0f}" for one in costs), of_run])
    # The mean difference of pairs of means over data sets, with its 95 % interval over these.
    leads = ([float(np.mean(two) - np.mean(one)) for one, two in pairs[name]] for name in ("one", "three", "run"))
    one, three, run = map(tracked.mean, leads)
    shown.add(["**advised - random**, over data sets", "", one, "", three, "", run, "", ""])
    tracked.record(
        arguments,
        shown.rows,
        code=["kerasnas/meta/race_experience.py", "kerasnas/meta/tasks.py", "kerasnas/methods/gradient/choosing.py"],
        intervals="Test accuracy in percent; mean ± 95 % interval over seeds (their number), in the last row over data "
        "sets",
        note=NOTE,
        runs=[row for part in ("collect", "search") for row in rows_of(arguments.raw, part)],
        command="python benchmarks/experience.py DATA --part=collect --raw=RAW --seeds=0\n"
        "python benchmarks/experience.py DATA --part=search --raw=RAW --datasets="
        "trec6,sentiment_sentences,sst2,sms_spam\n"
        "python benchmarks/experience.py DATA --raw=RAW",
    )


NOTE = (
    "`one` and `three` are looked up: the cell advised first compared with the mean of all cells, and the best of "
    "three on held-out texts. `run` is a whole search with a shortlist of four, including the linear model next to "
    "the network. Cells that did best on other texts are cheap: three of them took two thirds of the time of three "
    "others. They were ahead of random cells by half a point, which may be chance, and **whole runs showed no "
    "gain**, as they include the derived cell and the linear model anyway. Text searches therefore have no shortlist "
    "by default, with or without experience. `collect` was run with one seed; whole runs on four data sets, the "
    "second seed on those that say so. The trainings are of commit `3c74d2eed`, whole runs of `a64c29afc`, after "
    "which no relevant code changed; the machine was busy (load 5 to 10), and CPU seconds for the same work vary by "
    "half."
)


if __name__ == "__main__":
    options = {
        "data": {"help": "the folder that the data sets are in"},
        "part": skeleton.one_of("", "collect", "search"),
        "datasets": skeleton.listed(DATASETS),
        "seeds": "0,1",
        "raw": ("experience.jsonl", "the file of measurements, which is continued"),
    }
    arguments = skeleton.arguments(__doc__, "data", **options)
    {"collect": collect, "search": search, "": report}[arguments.part](arguments)
