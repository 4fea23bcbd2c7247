"""Sixty first commands and calls, as the READMEs of other tools have them: each works, or one line names ours."""

import dataclasses
import shlex
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import kerasnas
import tuners
from kerasnas import cli, methods
from tests.kit import CLASSES, stripes

X, Y = stripes(60, 0)
ROWS = np.random.default_rng(0).normal(size=(60, 2)) + 20 * np.searchsorted(sorted(CLASSES), Y)[:, None]
FRAME = pd.DataFrame({"length": ROWS[:, 0], "width": ROWS[:, 1], "class": Y})
NAMES = {"ak": kerasnas, "kerasnas": kerasnas, "kt": tuners, "frame": FRAME, "x": X, "y": Y, "rows": ROWS}

FIRST = {  # tool -> command or call, and what it sets, or the answer
    "AutoKeras": {
        "ak.ImageClassifier(overwrite=None).fit(x, y).predict(x)": {},
        "ak.ImageClassifier(overwrite=True, max_trials=1)": "`folder`",
        "ak.ImageClassifier(max_trials=1)": "`minutes=5`",
        "ak.TextClassifier().fit(x, y, epochs=2)": "`minutes=5`",
        "ak.StructuredDataClassifier(max_trials=3)": "`TableClassifier(minutes=5)`",
        "ak.StructuredDataRegressor(max_trials=3)": "`TableRegressor(minutes=5)`",
        "ak.TimeseriesForecaster(lookback=3)": "`SignalRegressor(minutes=5)`",
        "ak.AutoModel(inputs=[], outputs=[], max_trials=1)": "`AutoClassifier(minutes=5)`",
        "ak.ImageClassifier().tuner.search_space_summary()": "`space`",
        "ak.ImageClassifier().export_model()": "`.model`",
    },
    "KerasTuner": {
        "kt.RandomSearch(print, objective='val_loss', max_trials=5)": "`tuners.GenotypeTuner(build, objective=",
        "kt.Hyperband(print, objective='val_accuracy', max_epochs=10)": "`tuners.GenotypeTuner(build, objective=",
        "kt.BayesianOptimization(print, objective='val_loss')": "`tuners.GenotypeTuner(build, objective=",
        "kt.HyperModel": "`tuners.GenotypeTuner(build, objective=",
        "ak.ImageClassifier().search_space_summary()": "`kerasnas search --help`",
        "ak.ImageClassifier().get_best_models()[0]": "`.model`",
        "kerasnas search photos/ --max_trials=5": "`--minutes=5`",
    },
    "AutoGluon": {
        "ak.TabularPredictor(label='class').fit('train.csv', presets='best')": '`TableClassifier(target=["price"])',
        "ak.TableClassifier(target=['class']).fit(train_data=frame)": {"target": ["class"]},
        "ak.AutoClassifier(label='class')": '`target=["price"]`',
        "ak.MultiModalPredictor(label='class')": "`AutoClassifier(minutes=5)`",
        "ak.TimeSeriesPredictor(prediction_length=48)": "`SignalRegressor(minutes=5)`",
        "ak.TabularDataset('train.csv')": '`AutoClassifier(minutes=5).fit("train.csv")`',
        "ak.TableClassifier().feature_importance(frame)": "--explain=rows.html",
        "kerasnas search --train_data=train.csv --label=class": {"dataset": "train.csv", "target": ("class",)},
        "kerasnas search train.csv --time_limit=60": "`--minutes=5`",
        "kerasnas search train.csv --presets=best_quality": "`--minutes=60 --ensemble=4`",
    },
    "fastai": {
        "ak.vision_learner([], 'resnet34', metrics='error_rate').fine_tune(1)": '`ImageClassifier(starts="auto")',
        "ak.ImageDataLoaders.from_folder('pets')": '`ImageClassifier(starts="auto")',
        "ak.text_classifier_learner([], 'AWD_LSTM')": "`TextClassifier(minutes=5)`",
        "ak.tabular_learner([], metrics='accuracy')": "`TableClassifier(minutes=5)`",
        "ak.untar_data('PETS')": '`kerasnas.datasets.load("cifar10")`',
        "ak.ImageClassifier().fit_one_cycle(3)": "`fit(x, y)`",
        "ak.ImageClassifier().lr_find()": "`fit(x, y)`",
        "ak.ImageClassifier().show_results()": "`.report()`",
    },
    "ultralytics": {
        "kerasnas train data=mnist160 epochs=100 imgsz=64": "`kerasnas search photos/ --minutes=5`",
        "kerasnas classify train data=mnist160": "`kerasnas search photos/ --minutes=5`",
        "kerasnas predict model=runs/first source=bus.jpg": {"output_dir": "runs/first", "images": ["bus.jpg"]},
        "kerasnas val model=runs/first": "`kerasnas evaluate runs/first`",
        "kerasnas export model=runs/first format=onnx": {"output_dir": "runs/first", "format": ["onnx"]},
        "kerasnas search data=photos/ minutes=5 seed=3": {"dataset": "photos/", "minutes": 5.0, "seed": 3},
        "kerasnas search photos/ imgsz=64": {"image_size": "64"},
        "kerasnas search photos/ model=yolo11n-cls.pt": "`--starts=auto`",
        "kerasnas search photos/ --epochs 100": "`--minutes=5`",
        "ak.YOLO('yolo11n-cls.pt').train(data='mnist160')": "`ImageClassifier(minutes=5)",
    },
    "Ludwig": {
        "kerasnas train --config rotten.yaml --dataset rotten.csv": "`kerasnas search photos/ --minutes=5`",
        "kerasnas experiment --dataset rotten.csv --config rotten.yaml": "`kerasnas search photos/ --minutes=5`",
        "kerasnas hyperopt --dataset rotten.csv": "`kerasnas search photos/ --minutes=5`",
        "kerasnas predict --model_path runs/first --dataset new.csv": {
            "output_dir": "runs/first",
            "images": ["new.csv"],
        },
        "kerasnas evaluate --dataset new.csv --model_path runs/first": {
            "output_dir": "runs/first",
            "dataset": "new.csv",
        },
        "kerasnas serve --model_path=runs/first": {"output_dir": "runs/first"},
        "kerasnas visualize --visualization learning_curves": "`kerasnas report runs/first`",
        "ak.LudwigModel(config={})": "`AutoClassifier(minutes=5)",
    },
    "PyCaret": {
        "ak.setup(frame, target='class', session_id=123)": '`TableClassifier(target=["price"])',
        "ak.ClassificationExperiment()": '`TableClassifier(target=["price"])',
        "ak.compare_models()": "`fit(x, y)`",
        "ak.TableClassifier().predict_model(frame)": "`.predict(x)`",
    },
    "scikit-learn": {
        "ak.TableClassifier(random_state=0).fit(X=rows, y=y).predict_proba(rows)": {},
        "kerasnas fit train.csv": "`kerasnas search photos/ --minutes=5`",
        "ak.TableClassifier().partial_fit(rows, y)": "`fit(x, y)`",
    },
}
CALLS = [(tool, *call) for tool, calls in FIRST.items() for call in calls.items()]


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Run a command up to its work; return what it would work with."""
    monkeypatch.chdir(tmp_path)
    received = SimpleNamespace()
    monkeypatch.setattr(methods, "search", lambda config, *rest: received.__dict__.update(vars(config)))
    for name, command in cli.COMMANDS.items():
        if name != "search":
            take = lambda values, **spent: received.__dict__.update({one: values[one].value for one in values})  # noqa: E731
            monkeypatch.setitem(cli.COMMANDS, name, dataclasses.replace(command, action=take))
    return lambda text: received.__dict__ if cli.main(shlex.split(text)[1:]) == 0 else None


@pytest.mark.parametrize(("tool", "call", "expected"), CALLS, ids=[f"{tool}: {call}" for tool, call, _ in CALLS])
def test_a_first_command_works_or_is_answered_in_a_line(tool, call, expected, typed, unwritten, capsys):
    if call.startswith("kerasnas "):
        found, said = typed(call), capsys.readouterr().err.strip()
    else:
        try:
            made, said = eval(call, dict(NAMES)), ""  # noqa: S307 (a call of the table above)
            found = made.get_params() if hasattr(made, "get_params") else {}
        except (TypeError, ValueError, AttributeError) as error:
            found, said = None, str(error)
    if isinstance(expected, dict):
        assert not said and {name: found[name] for name in expected} == expected
    else:
        assert found is None and expected in said and "\n" not in said


def test_sixty():
    assert len(CALLS) == 60
