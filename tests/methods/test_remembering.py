"""Experience in a run: consent, what fits, what is recorded, what is left to later runs; without any training."""

import dataclasses
import json
from unittest.mock import Mock

import numpy as np
import pytest

from kerasnas import cli
from kerasnas.datasets import Dataset
from kerasnas.files.stages import Stages
from kerasnas.meta import ExperienceStore, advise
from kerasnas.meta.tasks import describe_task
from kerasnas.methods import remembering
from kerasnas.methods.gradient.settings import SearchConfig
from kerasnas.methods.race import method as race_method
from kerasnas.methods.race.making import make_race
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.racing.budget import Budget
from kerasnas.racing.portfolio import Candidate, portfolio
from kerasnas.runs import Progress
from kerasnas.runs.folder import RunFolder
from kerasnas.runs.method import Context
from kerasnas.runs.progress import progress_of
from kerasnas.runs.tracking import Tracking
from kerasnas.spaces import MacroSpace, TextSpace
from kerasnas.tasks.known import MULTILABEL
from kerasnas.tasks.regression import Regression

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.random((60, 12, 12, 1)).cumsum(axis=1).astype("float32") / 12, np.arange(60) % 3
CLASSES = ("secret_a", "secret_b", "secret_c")
DATA = Dataset("secret_place", IMAGES, LABELS, IMAGES[:9], LABELS[:9], CLASSES)
SPACE = MacroSpace.for_data(DATA.input_shape, 3, 60)
NETWORKS = [candidate for candidate in portfolio(SPACE, 8) if candidate.kind != "random"]
WINNER, SECOND = NETWORKS[3], NETWORKS[4]
TABLE, ANGLES = np.eye(3, dtype=int)[LABELS], RNG.normal(size=(60, 1))
SEVERAL = Dataset("labels", IMAGES, TABLE, IMAGES[:9], TABLE[:9], CLASSES, task=MULTILABEL)
NUMBERS = Dataset("numbers", IMAGES, ANGLES, IMAGES[:9], ANGLES[:9], ("angle",), task=Regression())
IDS = np.column_stack([LABELS + 1, RNG.integers(4, 9, (60, 4))])  # the first word says the class
WORDS = Dataset("words", IDS, LABELS, IDS[:9], LABELS[:9], CLASSES)
TEXTS = TextSpace(vocabulary=9, num_nodes=2)
CELLS = [TEXTS.genotype(dict.fromkeys(TEXTS.choices, name)) for name in ("masked_conv_3", "gru", "skip_connect")]
ON = RaceConfig(remember=True, minutes=1.0, starts="none")
SEARCHED = {"test_accuracy": 0.75, "parameters": 10, "seconds": 1.0}


def record(*candidates, kind="reference"):
    """The record of a race that the first of `candidates` won."""
    contestants = {
        one.name: {
            "kind": kind,
            "genotype": json.loads(one.genotype.to_json()),
            "parameters": 10,
            "macs": 10,
            "step_seconds": 0.1,
            "outcome": "/secret/path",
            "rungs": [{"steps": 150, "accuracy": 0.5, "expected": 0.1}] * (2 if one is candidates[0] else 1),
        }
        for one in candidates
    }
    return {"winner": candidates[0].name, "contestants": contestants, "baseline": {"accuracy": 0.4}}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASNAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def stages(tmp_path):
    return Stages(tmp_path / "run")


def remember(*candidates, minutes=1.0, config=ON, log=lambda line: None, data=DATA, **more):
    searched = {f"test_{data.task.metric}": 0.75}
    remembering.remember(config, data, record(*candidates, **more), searched, Budget(minutes), log)


def consult(stages, config=ON, minutes=1.0, space=SPACE, allowed=lambda genotype: True, log=None, data=DATA):
    lines = [] if log is None else log
    return remembering.consult(stages, config, space, data, Budget(minutes), allowed, lines.append)


def test_nothing_is_remembered_or_used_without_consent(stages, home):
    off = RaceConfig(minutes=1.0, starts="none")
    remember(WINNER, SECOND, config=off)
    assert not home.exists()
    remember(WINNER, SECOND)
    assert consult(stages, off) == remembering.Earlier() and not stages.path.exists()
    ExperienceStore().set_consent(True)
    no = RaceConfig(no_experience=True)
    remember(WINNER, SECOND, config=no)
    assert consult(stages, no) == remembering.Earlier() and len(ExperienceStore().read()[0]) == 1
    remember(WINNER, SECOND, config=off)
    remember(WINNER, SECOND, config=RaceConfig(no_experience=True, remember=True))
    assert len(ExperienceStore().read()[0]) == 3
    assert consult(stages, RaceConfig(no_experience=True, remember=True)) == remembering.Earlier()
    assert consult(stages, off).genotypes == (WINNER.genotype, SECOND.genotype)


def test_scores_by_another_metric_or_by_weights_are_not_remembered(home):
    lines = []
    for data in (DATA.counted("log_loss", ()), DATA.counted("auto", ("balanced",))):
        remember(WINNER, SECOND, data=data, log=lines.append)
    assert not home.exists() and all("is not remembered" in line for line in lines) and len(lines) == 2


def test_an_empty_store_advises_nothing(stages):
    assert consult(stages) == remembering.Earlier()
    assert stages.stage("experience")["networks"] == []


def test_what_did_best_comes_first_and_is_told(stages):
    remember(WINNER, SECOND)
    earlier, lines = consult(stages), []
    assert earlier.genotypes == (WINNER.genotype, SECOND.genotype) and earlier.leads
    earlier.tell(portfolio(SPACE, 6, remembered=earlier.genotypes), lines.append)
    assert lines == [
        f"1 of the candidates won on similar data before: {WINNER.name}.",
        f"1 of the candidates came close on similar data before: {SECOND.name}.",
    ]


def test_a_resumed_race_uses_what_it_began_with(stages):
    remember(WINNER, SECOND)
    first = consult(stages)
    for _ in range(3):
        remember(SECOND, WINNER)
    assert consult(stages) == first and first.genotypes[0] == WINNER.genotype
    ExperienceStore().path.unlink()
    assert consult(stages, RaceConfig(minutes=1.0)) == first  # consent that was taken back changes no race either


def test_a_network_of_a_longer_race_or_of_another_machine_is_not_the_first(tmp_path, monkeypatch):
    remember(WINNER, SECOND, minutes=2.0)
    assert not consult(Stages(tmp_path / "shorter")).leads
    assert consult(Stages(tmp_path / "as_long"), minutes=2.0).leads
    monkeypatch.setattr(remembering, "device_name", lambda: "another")
    assert not consult(Stages(tmp_path / "elsewhere"), minutes=2.0).leads


def test_a_network_that_does_not_fit_is_left_out_and_said(tmp_path):
    deep = Candidate("deep", SPACE.network("conv_3x3", 1.0, "conv_3x3", "pool", (1, 1)), "reference")
    flat = Candidate("flat", SPACE.network("conv_3x3", 0.5, "conv_3x3", "pool", (1, 1)), "reference")
    remember(deep, flat)
    small, lines = MacroSpace(max_halvings=0, stages=(1,)), []
    assert consult(Stages(tmp_path / "small"), space=small, log=lines).genotypes == ()
    assert len(lines) == 2 and all("does not fit" in line for line in lines)
    lines = []
    earlier = consult(Stages(tmp_path / "limits"), allowed=lambda genotype: genotype != deep.genotype, log=lines)
    assert earlier.genotypes == (flat.genotype,)
    assert lines == ["A network that did well on similar data before does not fit. It exceeds the limits."]


def test_damage_and_newer_versions_are_said(tmp_path, home):
    remember(WINNER, SECOND)
    with open(ExperienceStore().path, "a") as file:
        file.write("damaged\n")
    lines = []
    assert consult(Stages(tmp_path / "a"), log=lines).genotypes and "line 2 is skipped" in lines[0]
    with open(ExperienceStore().path, "a") as file:
        file.write('{"format": "kerasnas.experience", "version": 99}\n')
    before, lines = ExperienceStore().path.read_bytes(), []
    assert consult(Stages(tmp_path / "b"), log=lines) == remembering.Earlier()
    remember(WINNER, SECOND, log=lines.append)
    assert "not used" in lines[0] and "not remembered" in lines[1] and all("version 99" in line for line in lines)
    assert ExperienceStore().path.read_bytes() == before


def test_a_home_that_cannot_be_written_loses_no_run(home, stages):
    home.write_text("a file")  # for root, permissions are no obstacle
    lines = []
    assert consult(stages, log=lines) == remembering.Earlier()
    remember(WINNER, SECOND, log=lines.append)
    assert "This search is not remembered; all of it is in its folder." in lines[-1]


def test_a_line_has_numbers_and_networks_but_no_name_and_no_path():
    own = Candidate("secret_folder", WINNER.genotype, "given")
    remember(own, Candidate("secret_folder+flip", WINNER.genotype, "given"), kind="given")
    text = ExperienceStore().path.read_text()
    assert "secret" not in text
    one = json.loads(text)
    assert one["winner"] == "given-1" and one["baseline"] == 0.4 and one["test_score"] == 0.75
    assert one["task"] == describe_task(IMAGES, LABELS, 3)
    assert [candidate["curve"] for candidate in one["candidates"]] == [[[150, 0.5]] * 2, [[150, 0.5]]]


def test_a_run_that_fails_at_once_leaves_its_folder_free(tmp_path):
    run = RunFolder.create(tmp_path / "run", ON)
    with pytest.raises(ValueError, match="too small"), run.working():
        consult(run.stages)
        raise ValueError("too small")
    assert [file.name for file in run.path.iterdir()] == ["failed.json"]


def test_commands(capsys, tmp_path):
    def run(*arguments, status=0):
        assert cli.main(["experience", *map(str, arguments)]) == status
        return "".join(capsys.readouterr())

    assert "0 searches. Experience is off" in run()
    assert "is on" in run("on") and ExperienceStore().consent
    remember(WINNER, SECOND)
    remember(SECOND, WINNER)
    listed = run("list")
    assert "2 searches. Experience is on" in listed and f"60 images of 12x12x1, 3 classes: {WINNER.name}" in listed
    assert f"{SECOND.name}: 50.0 % after 150 steps" in run("show", 1)
    assert "from 1 to 2. Received: 0" in run("show", "x", status=2)
    assert "from 1 to 2. Received: 7" in run("forget", 7, status=2)
    assert "Forgotten: 2" in run("forget", 1)
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(ExperienceStore().path.read_bytes())
    run("forget", 1)
    assert "1 new searches from" in run("merge", copy)
    assert "holds no experience" in run("merge", __file__, status=2)
    assert "Missing a file" in run("merge", status=2) and "Unexpected argument '3'" in run("off", 3, status=2)
    assert "Expected one of list, show" in run("lst", status=2)
    assert "is off" in run("off") and not ExperienceStore().consent


@pytest.mark.slow
def test_the_race_of_the_settings_begins_with_what_is_remembered(tmp_path):
    def candidates(name, config):
        lines = []
        run = RunFolder.create(tmp_path / name, config)
        context = Context(run, progress_of(lines.append), Tracking(run, lines.append), DATA, Budget(1.0))
        return make_race(context).candidates(5), lines

    off = RaceConfig(minutes=1.0, starts="none")
    before, nothing = candidates("before", off)
    assert candidates("empty", ON) == (before, nothing) and ["starts from" in line for line in nothing] == [False, True]
    remember(SECOND, WINNER)
    found, lines = candidates("remembered", ON)
    places = [one.genotype for one in found]
    begun = sum(bool(one.initializer) for one in found)
    assert all(one.initializer for one in found[:begun]) and found != before
    assert places[2 * begun] == SECOND.genotype  # behind the initialized ones and their controls, before all others
    plain, _ = candidates("plain", dataclasses.replace(ON, initializer="none"))
    assert plain[0].genotype == SECOND.genotype
    assert lines[2] == f"1 of the candidates won on similar data before: {SECOND.name}."
    assert candidates("off", off) == (before, nothing)


def test_a_finished_race_is_remembered_and_its_result_says_what_it_began_with(tmp_path, monkeypatch):
    finished = []

    def finish(context, searched, **more):
        finished.append((more, ExperienceStore().read()[0]))
        return {"done": True}

    monkeypatch.setattr(race_method, "make_race", lambda *_: Mock(**{"run.return_value": record(WINNER, SECOND)}))
    monkeypatch.setattr(
        race_method, "train_winner", lambda *_: {**SEARCHED, "genotype": json.loads(WINNER.genotype.to_json())}
    )
    monkeypatch.setattr(Context, "examined", lambda context, searched: searched)
    monkeypatch.setattr(Context, "finish", finish)
    run, progress = RunFolder.create(tmp_path / "run", ON), Progress("none")
    consult(run.stages)
    context = Context(run, progress, Tracking(run, progress), DATA, Budget(1.0))
    assert run.method.run(context) == {"done": True}
    more, before = finished[0]
    assert more["experience"] == run.stages.stage("experience") and before == []  # the run is whole before
    assert [one.winner for one in ExperienceStore().read()[0]] == [WINNER.name]


@pytest.mark.parametrize(
    ("data", "words"), [(SEVERAL, "3 labels: X, 75.00 % test micro-F1"), (NUMBERS, "1 number: X, 0.750 test R2")]
)
def test_races_for_labels_and_numbers_are_remembered_and_used(data, words, stages, capsys):
    remember(WINNER, SECOND, data=data)
    (one,) = ExperienceStore().read()[0]
    assert (one.inputs, one.predicts) == ("image", data.task.name)
    earlier = consult(stages, data=data)
    assert earlier.genotypes == (WINNER.genotype, SECOND.genotype) and earlier.leads
    assert stages.stage("experience")["predicts"] == data.task.name
    assert cli.main(["experience"]) == 0 and words.replace("X", WINNER.name) in capsys.readouterr().out
    assert cli.main(["experience", "show", "1"]) == 0
    assert "space      macro" in capsys.readouterr().out


def test_another_task_tells_the_order_and_the_same_one_tells_more(tmp_path):
    remember(SECOND, WINNER, data=NUMBERS)
    assert consult(Stages(tmp_path / "one")).genotypes == (SECOND.genotype, WINNER.genotype)
    remember(WINNER, SECOND)
    assert consult(Stages(tmp_path / "two")).genotypes == (WINNER.genotype, SECOND.genotype)
    assert consult(Stages(tmp_path / "three"), data=NUMBERS).genotypes == (SECOND.genotype, WINNER.genotype)


def shortlist(*scores):
    """The record of a shortlist of `CELLS`, whose best one went on."""
    networks = [
        {"genotype": json.loads(cell.to_json()), "val_accuracy": score}
        for cell, score in zip(CELLS, scores, strict=True)
    ]
    best = max((one for one in networks if one["val_accuracy"] is not None), key=lambda one: one["val_accuracy"])
    rungs = [{"epochs": 2, "steps": 10, "networks": networks}, {"epochs": 4, "steps": 20, "networks": [best]}]
    return {"seconds": 1.0, "rungs": rungs, "genotype": best["genotype"]}


def remember_texts(*scores, log=str, earlier=None):
    found = {"seconds": 2.0, "genotype": json.loads(CELLS[0].to_json())}
    searched = {"seconds": 3.0, "test_accuracy": 0.75}
    config = SearchConfig(space="text", remember=True)
    remembering.remember_search(config, WORDS, found, shortlist(*scores), searched, earlier, log)


def test_the_shortlist_of_a_search_of_texts_is_remembered_and_takes_part_in_the_next(tmp_path, stages, capsys):
    remember_texts(0.5, 0.7, None)
    (one,) = ExperienceStore().read()[0]
    assert (one.inputs, one.predicts, one.winner, one.budget["seconds"]) == ("text", "classification", "other-1", 6.0)
    assert [(each["name"], each["curve"]) for each in one.candidates] == [
        ("derived", [[10, 0.5]]),
        ("other-1", [[10, 0.7], [20, 0.7]]),
        ("other-2", []),
    ]
    config, lines = SearchConfig(space="text", remember=True), []
    earlier = remembering.consult(stages, config, TEXTS, WORDS, None, lambda genotype: True, lines.append)
    assert earlier.genotypes == (CELLS[1], CELLS[0]) and not earlier.leads and not lines
    assert consult(Stages(tmp_path / "images"), log=lines) == remembering.Earlier()
    assert lines == [
        "None of the 1 searches remembered compared networks of space 'macro' on images: this one begins without."
    ]
    remember_texts(0.5, 0.4, 0.7, earlier=stages.stage("experience"))
    assert [each["kind"] for each in ExperienceStore().read()[0][1].candidates] == ["derived", "remembered", "other"]
    assert cli.main(["experience"]) == 0
    assert "60 texts of 5.0 words, 3 classes: other-1, 75.00 % test accuracy" in capsys.readouterr().out


@pytest.mark.slow  # the parts of it are tested above, without a search
def test_a_search_of_texts_is_remembered_by_its_shortlist(tmp_path, monkeypatch, capsys):
    """The command, from texts in a table to a line of experience, beginning with what was remembered before."""
    remember_texts(0.7, 0.5, 0.4)
    rows = [f"a {'fine' if number % 2 else 'dull'} film {number},{number % 2}" for number in range(40)]
    (tmp_path / "reviews.csv").write_text("\n".join(["text,label", *rows]))
    flags = {"dataset": tmp_path / "reviews.csv", "output_dir": tmp_path / "run", "space": "text", "filters": 4}
    flags |= {"retrain_filters": 4, "epochs": 1, "retrain_epochs": 1, "random_genotypes": 0, "ngrams": 0}
    flags |= {"architecture_warmup_epochs": 0, "shortlist": 2, "shortlist_steps": 1, "progress": "lines"}
    flags |= {"primitives": "masked_conv_3,masked_max_pool_3"}
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    monkeypatch.setattr(remembering, "advise", lambda *known, **more: advise(*known, **more)[:1])
    assert cli.main(["search", *arguments, "--remember"]) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    networks = [one["genotype"] for one in result["shortlist"]["rungs"][0]["networks"]]
    remembered = json.loads(CELLS[0].to_json())
    assert len(networks) == 2 and remembered in networks
    assert [one["genotype"] for one in result["experience"]["networks"]] == [remembered]
    found, _ = ExperienceStore().read()
    assert len(found) == 2 and found[1].inputs == "text" and len(found[1].ranked) == 2
    assert "Remembered for later searches" in capsys.readouterr().out
