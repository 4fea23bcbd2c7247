"""`kerasnas pretrain`: learned, killed and resumed, and what a race makes of it."""

import json

import numpy as np
import pytest

from kerasnas import methods
from kerasnas.cli import main
from kerasnas.meta.shelf import load_initializer
from kerasnas.methods import RaceConfig, pretraining
from kerasnas.methods.pretraining import PretrainingConfig
from kerasnas.methods.running import pretrain
from kerasnas.racing.entrants import contestant
from kerasnas.racing.race import stage


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """Two data sets of bright and dark squares, the second grayscale, smaller and with three classes."""
    folder = tmp_path_factory.mktemp("halves")
    rng = np.random.default_rng(0)
    for name, side, classes, channels in (("colored", 32, 2, 3), ("gray", 28, 3, 1)):
        y = np.arange(48) % classes
        x = rng.integers(0, 60, (48, side, side, channels))
        for label in range(classes):
            x[y == label, 6 * label : 6 * label + 8] += 150
        x[36:, side // 2, side // 2] = 255  # the mark of images to test
        x = x.astype("uint8")
        np.savez(folder / f"{name}.npz", x_train=x[:36], y_train=y[:36], x_test=x[36:], y_test=y[36:])
    return folder


def count_steps(patch):
    """A clock that counts steps: 10 seconds each."""
    made = {"steps": 0, "learned": [], "tested": []}
    patch.setattr(pretraining, "JointBatches", lambda data, **k: Small(data, batch_size=8, **k))
    step = contestant.training_loop.stepper

    def counting(model):
        inner = step(model)

        def one(batch):
            made["steps"] += 1
            made["learned"].append(batch[0].max(axis=(1, 2, 3)))
            return inner(batch)

        return one

    patch.setattr(contestant.training_loop, "stepper", counting)
    predicted, entrant, tested = pretraining.predicted, pretraining.Contestant, made["tested"]
    patch.setattr(pretraining, "Contestant", lambda *a, **k: made.update(last=entrant(*a, **k)) or made["last"])
    patch.setattr(pretraining, "predicted", lambda model, x, n: [tested.append(x), predicted(model, x, n)][1])
    patch.setattr(pretraining, "Budget", lambda minutes, spent: Counted(minutes, spent, made))
    return made


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    return count_steps(monkeypatch)


@pytest.fixture(scope="module")
def whole(halves, tmp_path_factory):
    """The folder of an initialization that was learned without interruption, its record, and what it read."""
    folder = tmp_path_factory.mktemp("whole") / "start"
    with pytest.MonkeyPatch.context() as patch:
        made = count_steps(patch)
        return folder, pretrain(config(halves), folder, log=lambda line: None), made


Small = pretraining.JointBatches


class Counted:
    cpu = False

    def __init__(self, minutes, spent, made):
        self.seconds, self._made, self._before = 60 * minutes, made, spent - 10 * made["steps"]

    def clock(self):
        return 10.0 * self._made["steps"]

    def spent(self):
        return self._before + self.clock()

    def left(self):
        return max(0.0, self.seconds - self.spent())


def config(halves, **changed):
    names = (str(halves / "colored.npz"), str(halves / "gray.npz"))
    return PretrainingConfig(**{"datasets": names, "network": "cnn", "minutes": 2.0} | changed)


@pytest.mark.slow
def test_it_learns_and_resumes_where_it_was(halves, whole, tmp_path, monkeypatch):
    start, record, _ = whole
    assert record["steps"] == 12 and set(record["datasets"]) == {"colored", "gray"}
    said, save = [], pretraining.storage.CheckpointStore.save

    def killing(store, *arguments):
        save(store, *arguments)
        if arguments[0] == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(pretraining.storage.CheckpointStore, "save", killing)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config(halves), tmp_path / "killed", log=said.append)
    monkeypatch.setattr(pretraining.storage.CheckpointStore, "save", save)
    assert methods.resume(tmp_path / "killed", log=said.append)["steps"] == 12
    first, second = (load_initializer(folder).model.get_weights() for folder in (start, tmp_path / "killed"))
    for mine, other in zip(first, second, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
    assert "Pre-trained initialization" in (start / "card.md").read_text()
    assert methods.resume(start, log=said.append)["steps"] == 12  # finished: nothing is done again


def test_it_learns_from_training_images_and_is_measured_on_others(whole):
    folder, _, made = whole
    body = load_initializer(folder).model.get_weights()[:-2]  # without its head
    for kept, averaged in zip(body, made["last"].average.values, strict=False):
        np.testing.assert_array_equal(kept, averaged)
    assert np.max(made["learned"]) < 0.9 and len(made["learned"]) == 12
    assert [x.max(axis=(1, 2, 3)).min() for x in made["tested"]] == [1, 1]


def test_what_cannot_be_learned_from_is_told_and_leaves_nothing(halves, tmp_path, capsys):
    for flags, words in (
        (["--datasets=nowhere.npz"], "nowhere.npz"),
        ([f"--datasets={halves}/gray.npz", "--network=vgg_3x4"], "vgg_3x3"),
        (["--datasets=waveforms"], "signals"),
        ([], "at least one data set"),
    ):
        assert main(["pretrain", *flags, f"--output_dir={tmp_path}/none"]) == 2
        assert words in capsys.readouterr().err
        assert not (tmp_path / "none" / "config.json").exists()


@pytest.mark.slow
def test_the_race_has_a_control_and_says_what_the_start_gave(halves, whole, tmp_path, counted, monkeypatch):
    start, *_ = whole
    monkeypatch.setattr(RaceConfig, "budget", lambda config, spent=0.0: Counted(config.minutes, spent, counted))
    monkeypatch.setattr(stage, "first_steps", lambda seconds: 12)
    monkeypatch.setattr(stage, "TIMED", 4)
    monkeypatch.setattr(stage, "race_share", lambda seconds: 0.5)
    settings = {"dataset": str(halves / "gray.npz"), "minutes": 20.0, "candidates": 3, "augment": (), "starts": "none"}
    with pytest.raises(ValueError, match=r"does not fit.*space 'macro'"):
        raced = methods.RaceConfig(**settings, space="nasbench201", initializer=str(start))
        methods.search(raced, tmp_path / "other", log=lambda line: None)
    with pytest.raises(ValueError, match="images_vgg_3x3"):
        raced = methods.RaceConfig(**settings, initializer="images_vgg_4x4")
        methods.search(raced, tmp_path / "unknown", log=lambda line: None)
    raced = methods.RaceConfig(**settings, initializer=str(start))
    said = []
    methods.search(raced, tmp_path / "run", log=said.append)
    assert "cnn@start starts from the pretrained weights start (disable with --initializer=none)." in said
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    race = result["race"]
    own = next(name for name, entry in race["contestants"].items() if entry.get("initializer"))
    assert race["contestants"][own]["kind"] == "initialized" and own == "cnn@start"
    assert [gain["control"] for gain in race["initialization"]] == ["cnn"]
    report = (tmp_path / "run" / "report.html").read_text()
    assert "the same network with random weights" in report
