"""Few-shot medical images: blood cells classified from 1, 5 or 20 images of each kind, from a meta-learned start.

A network is meta-learned (MAML) on images that have nothing to do with medicine, then adapted to a few cells of the
training photographs and evaluated on all cells of the test photographs. The baseline is the same network from random
initial weights. Both choose optimizer, rate and steps on the validation photographs, the baseline from more options.
Without `--source` the network learns on embedded images of clothes, colored as if stained and under changing light.

python examples/few_shot_cells.py                    # a few minutes on two cores, on generated images of three kinds
python examples/few_shot_cells.py --data=cells.npz   # on yours: x, y, split (0 train, 1 val, 2 test), image_id
python examples/few_shot_cells.py --data=cells.npz --source=cifar10   # learned on natural images instead of clothes
python examples/few_shot_cells.py --tiny             # under a minute, a smoke test

No medical device: a demonstration of few-shot learning, not validated for any diagnosis. Don't use it for one.
"""

import argparse
from pathlib import Path

import keras
import numpy as np

import kerasnas
from kerasnas.datasets import EpisodeSampler, TaskFamily
from kerasnas.datasets.tasks import Episode
from kerasnas.meta import MAML
from kerasnas.meta.evaluation import Estimate
from kerasnas.networks import few_shot_network

SIZE = 28  # of all images
SHOTS = (1, 5, 20)
SETTINGS = {  # options of each start: (optimizer, rate), and numbers of steps
    "scratch": ((("sgd", 0.1), ("adam", 0.003), ("adam", 0.01)), (30, 100)),
    "meta-learned": ((("sgd", 0.03), ("sgd", 0.1)), (10, 50)),
}


class FewCells(TaskFamily):
    """Tasks from one data set: some images per class of the training photographs, and all images of another part."""

    def __init__(self, cells, shots, part, seed=0):
        super().__init__(seed)
        self.x, self.y, self.split = cells
        self.shots, self.query = shots, np.flatnonzero(self.split == part)
        self.input_shape, self.query_shots = self.x.shape[1:], len(self.query)

    def draw(self, rng):
        classes = [np.flatnonzero((self.y == label) & (self.split == 0)) for label in np.unique(self.y)]
        support = rng.permutation(np.concatenate([rng.choice(rows, self.shots, replace=False) for rows in classes]))
        return Episode(*((self.x[rows], self.y[rows]) for rows in (support, self.query)))


def resized(x):
    """Return color images as float32 in [0, 1], `SIZE` pixels wide and high."""
    x = x / 255 if x.dtype.kind in "iu" else x
    x = np.broadcast_to(x if x.ndim == 4 else x[..., None], (*x.shape[:3], 3)).astype("float32")
    return np.asarray(keras.ops.image.resize(x, (SIZE, SIZE), antialias=True, data_format="channels_last"))


def read_cells(path):
    """Read `(x, y, split)` from an .npz file, or a folder with one; no photograph may be in two parts."""
    path = Path(path)
    with np.load(next(path.glob("*.npz")) if path.is_dir() else path, allow_pickle=False) as file:
        cells = {name: file[name] for name in file.files}
    if missing := {"x", "y", "split", "image_id"} - set(cells):
        raise ValueError(f"{path}: expected the arrays x, y, split and image_id. Missing: {sorted(missing)}")
    parts = {photograph: set() for photograph in cells["image_id"].tolist()}
    for photograph, part in zip(cells["image_id"].tolist(), cells["split"].tolist(), strict=True):
        parts[photograph].add(part)
    if shared := [photograph for photograph, splits in parts.items() if len(splits) > 1]:
        raise ValueError(f"Expected every photograph in one part. Received: {shared[:5]} in several")
    return resized(cells["x"]), np.unique(cells["y"], return_inverse=True)[1].astype("int32"), cells["split"]


def generated_cells(photographs=60, each=10, seed=0):
    """Generate images that resemble blood cells: pale rings, lobes in a disc, blurred blots."""
    rng = np.random.default_rng(seed)
    place = np.stack(np.mgrid[:SIZE, :SIZE], axis=-1) / SIZE - 0.5

    def disc(radius, blur, spread):
        return 1 / (1 + np.exp((np.linalg.norm(place - rng.normal(0, spread, 2), axis=-1) - radius) / blur))[..., None]

    x, y = np.empty((photographs, each, SIZE, SIZE, 3), "float32"), rng.integers(0, 3, (photographs, each))
    for photograph in range(photographs):
        light, paper = rng.uniform(0.75, 1.1), rng.normal(0.8, 0.05, 3)
        red, purple = rng.normal((0.75, 0.5, 0.5), 0.06), rng.normal((0.5, 0.35, 0.7), 0.08)
        for number, kind in enumerate(y[photograph]):
            body = disc(rng.uniform(0.22, 0.42), 0.03, 0.05)
            if kind == 0:
                ink, body = red, body * (1 - rng.uniform(0.2, 0.8) * disc(0.12, 0.05, 0.03))
            elif kind == 1:
                lobes = np.max([disc(rng.uniform(0.08, 0.14), 0.02, 0.1) for _ in range(rng.integers(2, 5))], axis=0)
                ink, body = purple, 0.3 * body + 0.7 * lobes
            else:
                ink, body = purple, rng.uniform(0.4, 1) * disc(rng.uniform(0.1, 0.2), 0.07, 0.05)
            x[photograph, number] = light * (paper + body * (ink - paper)) + rng.normal(0, 0.03, (*place.shape[:2], 3))
    split = np.repeat(np.arange(photographs) % 5, each)  # three fifths train, one val, one test
    return np.clip(x, 0, 1).reshape(-1, SIZE, SIZE, 3), y.reshape(-1).astype("int32"), np.maximum(split - 2, 0)


def source_images(source, seed):
    """Return images to learn from and their classes: a data set, or the embedded clothes as if stained."""
    if source is not None:
        data = kerasnas.datasets.load(source)
        return resized(data.x_train), data.y_train
    data, rng, stains = kerasnas.datasets.load("fashion_mnist_mini"), np.random.default_rng(seed), 8
    ink = rng.uniform(0.2, 0.8, (data.num_classes, stains, 3))  # of each class; paper is pale, light differs
    paper = rng.uniform(0.6, 0.9, (data.num_classes, stains, 1)) + rng.normal(0, 0.05, ink.shape)
    stain, light = np.arange(len(data.y_train)) % stains, rng.uniform(0.8, 1.15, (len(data.y_train), 1))
    ink, paper = (
        color[data.y_train, stain] * light + rng.normal(0, spread, (len(stain), 3))
        for color, spread in ((ink, 0.05), (paper, 0.03))
    )
    x = paper[:, None, None] + data.x_train * (ink - paper)[:, None, None]
    return np.clip(x, 0, 1).astype("float32"), data.y_train * stains + stain


def best_setting(model, kind, cells, shots, draws):
    """Return the name, learner and number of steps of the best setting on the validation photographs."""
    scores = {}
    for optimizer, rate in SETTINGS[kind][0]:
        learner = MAML(model, inner_optimizer=optimizer, inner_learning_rate=rate, adaptation_batch_size=15)
        learner.compile()
        for steps in SETTINGS[kind][1]:
            accuracy = learner.evaluate(FewCells(cells, shots, 1, seed=1), draws, draws, steps)["accuracy"].mean
            scores[f"{optimizer} {rate}, {steps} steps"] = accuracy, learner, steps
    name = max(scores, key=lambda name: scores[name][0])
    return name, *scores[name][1:]


def evaluate(learner, steps, tasks, draws):
    """Return accuracy and balanced accuracy on the test photographs, `(draws, 2)`."""
    rows = []
    for index in range(draws):
        episode = tasks.episode(index)
        x, y = episode.query
        right = np.argmax(learner.adapt(episode, steps)(x, training=False), axis=-1) == y
        rows.append((right.mean(), np.mean([right[y == label].mean() for label in np.unique(y)])))
    return np.array(rows)


def main(tiny: bool = False, data: str | None = None, source: str | None = None, seeds: int = 1, draws: int = 20):
    cells = generated_cells() if data is None else read_cells(data)
    shape, classes = cells[0].shape[1:], int(cells[1].max()) + 1
    shots, draws, choice = (SHOTS[1:2], 2, 2) if tiny else (SHOTS, draws, 5)
    results = {}
    print(f"{np.bincount(cells[2])} cells to train, to choose on, to test; no medical device")
    print("| seed | images per class | start | chosen | accuracy | balanced accuracy | more than scratch |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for seed in range(seeds):
        x, y = source_images(source, seed)
        network, start = (few_shot_network(shape, classes, filters=8 if tiny else 32, seed=seed) for _ in range(2))
        learner = MAML(start, inner_steps=3, inner_learning_rate=0.1)
        learner.compile()
        tasks = EpisodeSampler(x, y, classes, shots=5, query_shots=10, rotations=(0, 90, 180, 270), seed=seed)
        learner.fit(tasks, steps=4 if tiny else 300, tasks=5, verbose=0)
        for shot in shots:
            scratch = 0.0
            for kind, model in (("scratch", network), ("meta-learned", start)):
                name, chosen, steps = best_setting(model, kind, cells, shot, choice)
                scores = evaluate(chosen, steps, FewCells(cells, shot, 2, seed=2), draws)
                results[seed, shot, kind] = accuracy, balanced = [Estimate.of(column) for column in scores.T]
                gain = Estimate.of(scores[:, 0] - scratch) if kind != "scratch" else ""
                scratch = scores[:, 0]
                print(f"| {seed} | {shot} | {kind} | {name} | {accuracy} | {balanced} | {gain} |", flush=True)
    print(f"± is the 95 % interval over {draws} draws of the training images; the test images are always the same.")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    parser.add_argument("--data", help=".npz file of cells, or a folder with one; default: generated images")
    parser.add_argument("--source", help="what to meta-learn on: a name or path that `kerasnas.datasets.load` takes")
    parser.add_argument("--seeds", type=int, default=1, help="meta-trainings")
    parser.add_argument("--draws", type=int, default=20, help="of the images to adapt to")
    main(**vars(parser.parse_args()))
