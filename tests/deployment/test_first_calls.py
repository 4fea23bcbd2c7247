"""First commands and calls in the words of other tools: each works, or one line says what to write here."""

import ast
import dataclasses
import re
import shlex
from inspect import signature
from types import SimpleNamespace

import keras_tuner
import numpy as np
import pandas as pd
import pytest

import kerasnas
import tuners
from kerasnas import (
    AutoClassifier,
    AutoRegressor,
    GraphClassifier,
    ImageClassifier,
    TableClassifier,
    TextClassifier,
    cli,
    datasets,
    methods,
)
from kerasnas.cli.flags import parse
from kerasnas.other_tools import ANSWERS, SAME, answer_in_flags, silent
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
        "kerasnas search train.csv --presets=best_quality": "`--minutes=60`",
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
FURTHER = {  # tool -> calls, and our answer, or the arguments that result
    "AutoKeras": [
        (lambda: ImageClassifier(max_trials=3), "`minutes=5`, and `candidates=3`"),
        (lambda: TextClassifier(directory="models", project_name="reviews"), "`folder="),
        (lambda: ImageClassifier(num_classes=10, multi_label=False), "Leave it out: the labels have them"),
        (lambda: ImageClassifier(loss="binary_crossentropy"), "`task="),
        (lambda: ImageClassifier(metrics=["accuracy"]), 'Write `metric="f1"`'),
        (lambda: ImageClassifier(objective="val_accuracy"), {"metric": "accuracy"}),
        (lambda: ImageClassifier(tuner="greedy"), "`space` or `genotypes`"),
        (lambda: ImageClassifier(max_model_size=20_000).fit(X, Y), {"max_parameters": 20_000}),
        (lambda: ImageClassifier(seed=3).fit(X, Y), {"seed": 3}),
        (lambda: ImageClassifier().fit(X, Y, validation_split=0.15), {"validation_split": 0.15}),
        (lambda: ImageClassifier().fit(X, Y, validation_data=(X[:9], Y[:9])), {"seed": 0}),
        (lambda: ImageClassifier().fit(X, Y, callbacks=[object()]), '`trackers=["tensorboard"]`'),
        (lambda: ImageClassifier().fit(X, Y, callbacks=None, verbose=0), {"log": silent}),
        (lambda: ImageClassifier().fit(X, Y, verbose="auto"), {"log": print}),
    ],
    "Keras": [
        (lambda: ImageClassifier().fit(X, Y, batch_size=32), "Leave it out: it follows from the data"),
        (lambda: ImageClassifier().fit(X, Y, class_weight={0: 1.0, 1: 2.0}), "Received: '0' Known: ["),
        (lambda: ImageClassifier().fit(X, Y, class_weight={CLASSES[0]: 2}), {"class_weight": {CLASSES[0]: 2}}),
        (lambda: ImageClassifier().fit(X, Y, sample_weight=np.ones(60)), {"metric": "auto"}),
        (lambda: ImageClassifier().fit(X, Y, sample_weight=np.ones(59)), "one weight for each of the 60 samples"),
        (lambda: ImageClassifier().fit(X, Y, sample_weight=np.zeros(60)), "a weight above 0. Received: zeros alone"),
        (lambda: ImageClassifier().fit(X, Y, sample_weight=1j * np.ones(60)), "`sample_weight`. Expected an array of"),
        (lambda: ImageClassifier().fit("photos/", sample_weight=np.ones(60)), "`sample_weight`. Expected None"),
        (lambda: TableClassifier().fit(np.ma.masked_equal(ROWS, ROWS[0, 0]), Y), "`x`. Expected no masked entries"),
        (lambda: ImageClassifier().fit(X, np.ma.masked_equal(Y, Y[0])), "`y`. Expected no masked entries"),
    ],
    "KerasTuner": [
        (lambda: ImageClassifier().search(X, Y, epochs=5), "`fit(x, y)`"),
        (lambda: ImageClassifier().results_summary(), "`.leaderboard()`"),
        (lambda: ImageClassifier().get_best_hyperparameters()[0], "`.genotype`"),
    ],
    "AutoGluon": [
        (lambda: TableClassifier(target=["class"]).fit(FRAME, time_limit=60), {"minutes": 1.0, "target": ["class"]}),
        (lambda: AutoClassifier(time_limit=90, verbosity=0), {"minutes": 1.5, "log": silent}),
        (lambda: AutoClassifier(eval_metric="roc_auc_ovr_macro"), {"metric": "roc_auc"}),
        (lambda: AutoRegressor(eval_metric="root_mean_squared_error"), {"metric": "rmse"}),
        (
            lambda: AutoRegressor(eval_metric="roc_auc").fit(ROWS, ROWS[:, 0]),
            "a metric of regression. Received: 'roc_auc'",
        ),
        (lambda: AutoClassifier(eval_metric="balanced").fit(ROWS, Y), "Did you mean 'balanced_accuracy'?"),
        (lambda: AutoRegressor(problem_type="regression"), "`task="),
        (lambda: AutoClassifier(path="models"), "`folder="),
        (lambda: TableClassifier(target=["class"]).fit(FRAME, presets="best_quality"), "`minutes=60`"),
        (lambda: TableClassifier(target=["class"]).fit(FRAME, tuning_data=FRAME), "`validation_split=0.2`"),
        (lambda: TableClassifier().fit(FRAME, hyperparameters={"GBM": {}}), "`space` or `genotypes`"),
        (lambda: TableClassifier(target=["class"]).fit(FRAME, holdout_frac=0.1), {"validation_split": 0.1}),
        (lambda: TableClassifier().leaderboard(), "Call `fit` first"),
        (lambda: TableClassifier().fit_summary(), "`.leaderboard()`"),
    ],
    "FLAML": [
        (lambda: AutoClassifier().fit(ROWS, Y, time_budget=30), {"minutes": 0.5}),
        (lambda: AutoClassifier().fit(ROWS, Y, task="classification"), {"task": "classification"}),
        (lambda: AutoClassifier().fit(ROWS, Y, estimator_list=["lgbm"]), "`space` or `genotypes`"),
        (lambda: AutoClassifier().fit(ROWS, Y, metric="log_loss"), {"metric": "log_loss"}),
        (lambda: AutoClassifier().best_config, "`.genotype`"),
    ],
    "scikit-learn": [
        (lambda: TableClassifier(random_state=7).fit(ROWS, Y), {"seed": 7}),
        (lambda: TableClassifier(class_weight="balanced").fit(ROWS, Y), {"class_weight": "balanced"}),
        (lambda: TableClassifier(class_weight={"cat": -1}), "`class_weight`. Expected a number of at least 0"),
        (lambda: TableClassifier(class_weight="ballanced"), "Expected balanced, or NAME=WEIGHT"),
        (lambda: AutoRegressor(class_weight="balanced").fit(ROWS, ROWS[:, 0]), "as regression has no classes"),
        (lambda: TableClassifier(random_state=None).fit(ROWS, Y), {"seed": 0}),
        (lambda: TableClassifier(n_jobs=-1), '`executor="processes:4"`'),
    ],
    "PyCaret": [
        (lambda: TableClassifier(data=FRAME, target="class", session_id=1), "`fit(x, y)`"),
        (lambda: TableClassifier(session_id=123), {"seed": 123}),
        (lambda: TableClassifier().compare_models(), "`fit(x, y)`"),
    ],
    "fastai": [
        (lambda: ImageClassifier(arch="resnet34", metrics="error_rate"), '`starts="auto"`'),
        (lambda: ImageClassifier(valid_pct=0.25), {"validation_split": 0.25}),
        (lambda: ImageClassifier().fine_tune(1), "`fit(x, y)`"),
    ],
    "ultralytics": [
        (lambda: ImageClassifier().train(data="mnist160", epochs=100, imgsz=64), "`fit(x, y)`"),
        (lambda: ImageClassifier(imgsz=64), {"image_size": "64"}),
    ],
    "a typing error, or twice the same": [
        (lambda: ImageClassifier(minuts=3), "ImageClassifier has no argument `minuts`. Did you mean 'minutes'"),
        (lambda: GraphClassifier(max_parameters=3), "GraphClassifier has no argument `max_parameters`"),
        (lambda: AutoClassifier(time_limit=0), "`time_limit`. Expected a number above 0"),
        (lambda: AutoClassifier(time_limit=60, time_budget=60), "Expected one of them"),
        (lambda: ImageClassifier().fit(X, Y, test_data=(X, Y), validation_data=(X, Y)), "Expected one of them"),
        (lambda: ImageClassifier().fit("photos/", validation_data=(X, Y)), "`test_data`. Expected None"),
    ],
}


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


CALLS = [
    *(pytest.param(*row, id=f"{tool}: {row[0]}") for tool, calls in FIRST.items() for row in calls.items()),
    *(pytest.param(*row, id=f"{tool} {n}") for tool, calls in FURTHER.items() for n, row in enumerate(calls)),
]


@pytest.mark.parametrize(("call", "expected"), CALLS)
def test_a_first_call_works_or_is_answered_in_a_line(call, expected, typed, unwritten, capsys):
    if isinstance(call, str) and call.startswith("kerasnas "):
        found, said = typed(call), capsys.readouterr().err.strip()
    else:
        try:
            made, said = eval(call, dict(NAMES)) if isinstance(call, str) else call(), ""  # noqa: S307 (of the tables)
            found = made.get_params() if hasattr(made, "get_params") else {}
        except (TypeError, ValueError, AttributeError) as error:
            found, said = None, str(error)
    if isinstance(expected, dict):
        assert not said and {name: found[name] for name in expected} == expected
    else:
        assert found is None and expected in said and "\n" not in said
        assert not unwritten  # before anything is searched


def test_sixty():
    assert sum(map(len, FIRST.values())) == 60


def test_validation_data_are_not_trained_on(unwritten):
    fitted = ImageClassifier().fit(X[9:], Y[9:], validation_data=(X[:9], Y[:9]), verbose=0)
    arrays = np.load(unwritten[0][0].dataset)
    np.testing.assert_array_equal(arrays["x_test"], X[:9])
    assert len(arrays["x_train"]) == 51 and unwritten[0][1] is fitted.log is silent


def missing(advice, ours):
    """Names in a piece of an answer that are not there; a command or a flag of a search must be readable."""
    if advice.startswith(("kerasnas ", "--")):
        command, *typed = shlex.split(advice if advice[0] == "k" else f"search {advice}")[advice[0] == "k" :]
        typed = [f"{one}=" if re.fullmatch(r"--\w+", one) else one for one in typed if one != "--help"]
        parse(cli.COMMANDS[command].flags(), command, typed, cli.COMMANDS[command].places)
        return set()
    nodes = list(ast.walk(ast.parse(f"_({advice})" if re.match(r"\w+=", advice) else advice.lstrip("."))))
    named = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    named |= {node.arg for node in nodes if isinstance(node, ast.keyword)}
    named |= {node.id for node in nodes if isinstance(node, ast.Name)}
    return {name for name in named if not any(name in known for known in ours)}


def test_every_answer_names_what_is_there():
    """No word is one of ours, and what an answer tells to write is, here and on the command line."""
    arguments = {*ImageClassifier().get_params(), "x", "y", "test_data"}
    known = [arguments, dir(ImageClassifier), dir(kerasnas), dir(tuners), dir(datasets), {"_", "print", "kerasnas"}]
    known += [{"tuners", "datasets", "frame", "build"}, signature(keras_tuner.RandomSearch).parameters]
    commands_and_flags = {"fit", "model"}
    assert not {*arguments, *dir(ImageClassifier)} & {*ANSWERS, *SAME} - commands_and_flags
    assert set(SAME.values()) <= arguments
    for word in ANSWERS:
        for line in (ANSWERS[word], answer_in_flags(word)):
            advice = line.partition(". ")[2].split("`")[1::2]
            assert advice and not [found for one in advice if (found := missing(one, known))], line
