"""First calls in the words of other tools: each works, or one line says what to write here."""

import ast
import re
import shlex
from inspect import signature

import keras_tuner
import numpy as np
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
)
from kerasnas.cli.flags import parse
from kerasnas.other_tools import ANSWERS, SAME, answer_in_flags, silent
from tests.deployment.test_first_commands import FRAME, ROWS, X, Y
from tests.kit import CLASSES

CALLS = {  # tool -> further calls than those of test_first_commands.py, and our answer, or the arguments that result
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
        (lambda: TableClassifier(target=["class"]).fit(FRAME, presets="best_quality"), "`minutes=60, ensemble=4`"),
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


@pytest.mark.parametrize(
    ("call", "expected"),
    [pytest.param(*call, id=f"{tool} {number}") for tool, calls in CALLS.items() for number, call in enumerate(calls)],
)
def test_a_first_call_works_or_is_answered_in_a_line(call, expected, unwritten):
    if isinstance(expected, dict):
        params = call().get_params()
        assert {name: params[name] for name in expected} == expected
        return
    with pytest.raises((TypeError, ValueError, AttributeError)) as raised:
        call()
    assert expected in str(raised.value) and "\n" not in str(raised.value)
    assert not unwritten  # before anything is searched


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
