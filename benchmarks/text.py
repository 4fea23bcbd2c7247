"""Searching in the space of texts, and usual methods, at equal processor time.

On each data set below `DATA` and for each seed, on one thread:

- `search`: what `kerasnas search --space=text` does at its defaults, without random networks: the search and the
  training of its result, with a linear model alongside. Its processor time, from the start of the process, is the
  budget of all others.
- `race`: what `kerasnas search` does within a minute of processor time: networks race, and the winner is trained, with
  a linear model alongside.
- `tfidf`: TF-IDF of words and pairs of words (of one to four characters where there are no spaces), and logistic
  regression, whose strength is chosen by five-fold cross-validation. It needs less than the budget.
- `cnn`: the CNN of Kim (2014), three windows of 100 filters, 128-dimensional embeddings drawn at random, dropout 0.5.
- `gru`: a bidirectional GRU of 64 units in each direction on 64-dimensional embeddings, maximum over time, dropout 0.5.

The networks are trained by Adam, its rate annealed by a cosine of the time, until the budget is used up, with the same
vocabulary. The last weights are kept: no contender sees the test data before.

    python benchmarks/text.py DATA --datasets=ag_news,trec6 --seeds=1,2,3 --raw=text.jsonl

Results are added to the file `--raw` and not measured again. At the end a table: mean accuracy over the seeds with its
95 % interval (Student's t), and next to a single one the interval of the test set (Wilson).

Kim, "Convolutional Neural Networks for Sentence Classification", 2014 (arXiv 1408.5882).
"""

import itertools
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import skeleton
import tracked

WITHOUT_SEED = ("tfidf",)  # whose result is the same for every seed
HALF = "half width, one test"
DATASETS = ("trec6", "sst2", "ag_news", "sms_spam", "sentiment_sentences", "waimai_zh")


def read(data, name):
    """Return texts and labels of training and test, and the names of classes."""
    path = Path(data) / name / f"{name}.npz"
    if not path.exists():
        raise SystemExit(f"There is no {path}: DATA is a folder with {name}/{name}.npz in it (see the docstring).")
    arrays = np.load(path)
    ends, buffer = arrays["offsets"], arrays["text"]
    texts = np.array([buffer[a:b].tobytes().decode() for a, b in itertools.pairwise(ends)])
    split, y = arrays["split"], arrays["y"].astype(int)
    test = split == split.max()
    train = split == 0
    return texts[train], y[train], texts[test], y[test], arrays["classes"].astype(str)


def search(data, name, seed, seconds):
    """Run the command; return the accuracy that its record has."""
    from kerasnas import methods

    with tempfile.TemporaryDirectory() as folder:
        file = skeleton.save(Path(folder, f"{name}.npz"), read(data, name))
        settings = methods.SearchConfig.suited(space="text", dataset=file, random_genotypes=0, seed=seed)
        result = methods.search(settings, Path(folder) / "run", lambda line: None)
    searched = result["searched"]
    return searched["test_accuracy"], {"parameters": searched["parameters"], "genotype": result["genotype"]}


def race(data, name, seed, seconds):
    """Run the command within a minute; return the accuracy that its record has."""
    return raced(read(data, name), name, seed)


def raced(parts, name, seed, kind=None, **settings):
    """Race networks on arrays, of a kind; return the accuracy of the result, and what its record says."""
    from kerasnas import methods

    with tempfile.TemporaryDirectory() as folder:
        file = skeleton.save(Path(folder, f"{name}.npz"), parts, **({"kind": kind} if kind else {}))
        config = methods.RaceConfig(dataset=file, cpu_minutes=1, seed=seed, **settings)
        result = methods.search(config, Path(folder) / "run", lambda line: None)
    searched = result["searched"]
    kept = {name: searched[name] for name in ("parameters", "linear") if name in searched}
    return searched["test_accuracy"], {**kept, "winner": result["race"]["winner"]}


def tfidf(data, name, seed, seconds):
    """Logistic regression on TF-IDF."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline

    x, y, x_test, y_test, _ = read(data, name)
    spaced = np.mean([len(text) / (1 + text.count(" ")) for text in x]) < 12
    kind = {"ngram_range": (1, 2)} if spaced else {"analyzer": "char", "ngram_range": (1, 4)}
    vectors = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=100_000, **kind)
    model = make_pipeline(vectors, LogisticRegressionCV(Cs=np.logspace(-1, 2, 4), cv=5, max_iter=300))
    return float(model.fit(x, y).score(x_test, y_test)), {}


def train(model, x, y, batch_size, seed, seconds):
    """Train until the process has used up its time but for the evaluation."""
    from kerasnas.datasets.batches import ArrayBatches

    skeleton.train_until(model, ArrayBatches(x, y, batch_size, seed=seed), seconds - 2)


def network(data, name, seed, seconds, build):
    """Train a network of token ids by Adam until the time is up."""
    import keras

    from kerasnas.modalities.fronts import Vocabulary

    x, y, x_test, y_test, _ = read(data, name)
    front, _ = Vocabulary.learned(x.tolist())
    ids, ids_test = front.ids(x.tolist()), front.ids(x_test.tolist())
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(ids.shape[1:], dtype="int32")
    outputs = keras.layers.Dense(len(set(y.tolist())))(build(inputs, front.sizes["vocabulary"]))
    model = keras.Model(inputs, outputs)
    train(model, ids, y, 64, seed, seconds)
    return model.evaluate(ids_test, y_test, verbose=0)[1], {"parameters": model.count_params()}


def cnn(data, name, seed, seconds):
    """Kim's CNN, `CNN-rand`."""
    from keras import layers

    def build(x, vocabulary):
        x = layers.Embedding(vocabulary, 128)(x)
        windows = [layers.Conv1D(100, size, padding="same", activation="relu")(x) for size in (3, 4, 5)]
        return layers.Dropout(0.5)(layers.Concatenate()([layers.GlobalMaxPooling1D()(one) for one in windows]))

    return network(data, name, seed, seconds, build)


def gru(data, name, seed, seconds):
    """A small bidirectional GRU."""
    from keras import layers

    def build(x, vocabulary):
        x = layers.Embedding(vocabulary, 64, mask_zero=True)(x)
        x = layers.Bidirectional(layers.GRU(64, return_sequences=True, zero_output_for_mask=True))(x)
        return layers.Dropout(0.5)(layers.GlobalMaxPooling1D()(x))

    return network(data, name, seed, seconds, build)


# The measurement --------------------------------------------------------------------------------------------
def measure(arguments, contenders):
    """Measure one contender in this process; print its record."""
    skeleton.prepare(1)
    name, dataset, seed, seconds = arguments.one.split(":")
    accuracy, more = contenders[name](arguments.data, dataset, int(seed), float(seconds))
    record = {"contender": name, "dataset": dataset, "seed": int(seed), "accuracy": accuracy}
    print(json.dumps({**record, "cpu_seconds": time.process_time(), **more}))


def of(row):
    """Return the contender and the data set of a record."""
    return row["contender"], row["dataset"]


def run(arguments, script):
    """Measure what the file lacks, each in a process of its own; return all records."""
    runs = skeleton.Runs(arguments.raw)
    there = {(row["contender"], row["dataset"], row["seed"]): row for row in runs.records}
    words = skeleton.numbers(arguments.seeds), arguments.datasets.split(","), arguments.contenders.split(",")
    for seed, dataset, name in itertools.product(*words):
        if (name, dataset, seed) in there:
            continue
        if name in WITHOUT_SEED and (same := [row for row in there.values() if of(row) == (name, dataset)]):
            there[name, dataset, seed] = {**same[0], "seed": seed}
            continue
        budget = there.get(("search", dataset, seed), {"cpu_seconds": 0.0})["cpu_seconds"]
        one = f"--one={name}:{dataset}:{seed}:{budget}"
        record = skeleton.child(script, arguments.data, one, **skeleton.ONE_THREAD, TF_CPP_MIN_LOG_LEVEL="3")
        if record is None:
            raise SystemExit(f"{name} on {dataset} failed.")
        there[name, dataset, seed] = record
        runs.add(record)
    return list(there.values())


def table(arguments, rows, contenders, datasets, read, tuned=()):
    """Yield rows of the table: mean accuracy of each contender in percent, and the processor seconds."""
    from kerasnas.intervals import wilson_interval

    asked = [row for row in rows if str(row["seed"]) in arguments.seeds.split(",")]
    for dataset in datasets:
        own = {name: [row for row in asked if of(row) == (name, dataset)] for name in contenders}
        own = {name: runs[:1] if name in WITHOUT_SEED else runs for name, runs in own.items() if runs}
        if own:
            found = {name: tracked.mean([row["accuracy"] for row in runs], 100) for name, runs in own.items()}
            best = max(mean["mean"] for mean in found.values()) / 100
            low, high = wilson_interval(best, len(read(arguments.data, dataset)[3]))
            seconds = [f"{np.mean([row['cpu_seconds'] for row in runs]):.0f}" for runs in own.values()]
            half = {HALF: round(50 * (high - low), 1), "CPU s of each": ", ".join(seconds)}
            yield {"data": dataset + "*" * (dataset in tuned), **dict.fromkeys(contenders, "-"), **found, **half}


def report(arguments, rows, contenders, datasets, read, code, tuned=(), note=""):
    """Print the table, and record it."""
    shown = tracked.Table(["data", *contenders, HALF, "CPU s of each"])
    for row in table(arguments, rows, contenders, datasets, read, tuned):
        shown.add(row.values())
    intervals = "Test accuracy in percent; mean ± 95 % interval over the runs (their number)"
    tracked.record(arguments, shown.rows, code=code, intervals=intervals, runs=rows, note=note)


def main(doc, script, contenders, datasets, read, raw, code, **told):
    """Measure, or print the table, according to the command line."""
    arguments = skeleton.arguments(
        doc,
        "data",
        data={"help": "the folder that the data sets are in"},
        datasets=skeleton.listed(datasets),
        contenders=skeleton.listed(contenders),
        seeds="1,2,3",
        raw=(raw, "the file of results, which is continued"),
        one=("", skeleton.HIDDEN),
    )
    if arguments.one:
        measure(arguments, contenders)
    else:
        report(arguments, run(arguments, script), contenders, datasets, read, code, **told)


if __name__ == "__main__":
    CONTENDERS = {one.__name__: one for one in (search, race, tfidf, cnn, gru)}
    CODE = (
        *("kerasnas/spaces/text.py", "kerasnas/primitives/text_blocks.py", "kerasnas/networks/ngrams.py"),
        *("kerasnas/companions", "kerasnas/runs/settings.py"),
    )
    main(__doc__, __file__, CONTENDERS, DATASETS, read, "text.jsonl", CODE)
