"""Words of other tools, in calls and on the command line: ours of the same meaning, and answers to the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from kerasnas import checks


def silent(line: str) -> None:
    """Log nothing."""


_OURS = {
    "minutes": "time_budget time_limit",
    "log": "verbose verbosity",
    "seed": "random_state session_id",
    "validation_split": "holdout_frac valid_pct",
    "test_data": "validation_data",
    "max_parameters": "max_model_size",
    "metric": "eval_metric objective",
    "image_size": "imgsz",
    "x": "X X_train train_data",
    "y": "y_train",
}
SAME = {word: ours for ours, words in _OURS.items() for word in words.split()}
"""Words of other tools: the argument here that has their meaning."""
_METRICS = {"acc": "accuracy", "val_accuracy": "accuracy", "f1_macro": "f1", "roc_auc_ovr_macro": "roc_auc"}
_METRICS |= {"mean_absolute_error": "mae", "root_mean_squared_error": "rmse"}
_VALUES: dict[str, Callable[[str, Any], Any]] = {
    "minutes": lambda word, seconds: checks.number(word, seconds, above=0) / 60,
    "log": lambda word, level: silent if level == 0 else print,
    "metric": lambda word, name: _METRICS.get(name, name) if isinstance(name, str) else name,
    "image_size": lambda word, size: str(size),
}
_SEARCH = "Write `fit(x, y)`, or `kerasnas search photos/ --minutes=5`."
_TABLES = 'Write `TableClassifier(target=["price"]).fit(frame)`, or `kerasnas search rows.csv --target=price`.'
_ANSWERS = "Write `.evaluate(x, y)` or `.predict(x)`, or `kerasnas evaluate runs/first`."
_TUNER = 'Write `tuners.GenotypeTuner(build, objective="val_accuracy", max_trials=20)`.'
_SUMMARY = "Write `.leaderboard()`, or `.report()`."
_EXPLAINED = "Write `kerasnas predict runs/first rows.csv --explain=rows.html`."
_ROWS = (
    ("AutoKeras", "max_trials epochs", "Write a budget, `minutes=5`, and `candidates=3` for 3 networks at most."),
    ("Keras and ultralytics", "batch batch_size", "Leave it out: it follows from the data; the budget is `minutes=5`."),
    ("Keras", "callbacks", 'Progress is logged; write `trackers=["tensorboard"]` for curves.'),
    ("FLAML and AutoGluon", "X_val tuning_data", "Write `validation_split=0.2`."),
    ("AutoKeras and AutoGluon", "directory path project_name project", 'Write `folder="runs/mine"`, which is resumed.'),
    ("AutoKeras and KerasTuner", "overwrite", "Leave out `folder`: each search then starts from scratch."),
    ("AutoKeras and fastai", "metrics", 'Write `metric="f1"`, one metric that fits the task.'),
    ("AutoKeras and AutoGluon", "loss multi_label problem_type", 'Write `task="multilabel"`, or another, or nothing.'),
    ("AutoKeras", "num_classes", "Leave it out: the labels have them; `task` says what labels are."),
    ("AutoGluon", "auto_stack presets", "Write `minutes=60`, or `max_parameters=20_000` to be small."),
    ("AutoGluon", "label", 'Write `target=["price"]`, the columns of the labels.'),
    ("AutoGluon and scikit-learn", "n_jobs num_cpus", 'Write `executor="processes:4"`.'),
    ("FLAML, AutoGluon and AutoKeras", "estimator_list hyperparameters tuner", "Write `space` or `genotypes`."),
    ("fastai and ultralytics", "arch model", 'Write `starts="auto"`, the pretrained networks that take part.'),
    ("KerasTuner", "search_space_summary", "Write `space`; `kerasnas search --help` lists them."),
    ("KerasTuner, fastai and PyCaret", "compare_models create_model tune_model fine_tune lr_find search", _SEARCH),
    ("Ludwig and ultralytics", "data dataset train classify experiment hyperopt", _SEARCH),
    ("AutoGluon, fastai and scikit-learn", "fit fit_one_cycle partial_fit tune", _SEARCH),
    ("PyCaret and ultralytics", "val test predict_model evaluate_model", _ANSWERS),
    ("Ludwig and PyCaret", "visualize plot_model", "Write `.report()`, or `kerasnas report runs/first`."),
    ("AutoKeras and KerasTuner", "export_model get_best_models", "Write `.model`, a Keras model, or `.export()`."),
    ("FLAML and KerasTuner", "best_config best_estimator get_best_hyperparameters", "Write `.genotype`."),
    ("AutoGluon and KerasTuner", "fit_summary results_summary", _SUMMARY),
    ("AutoGluon and PyCaret", "feature_importance interpret_model", _EXPLAINED),
    ("fastai and PyCaret", "save_model show_results", "Write `.save(folder)`, or `.report()`."),
    ("AutoGluon and PyCaret", "TabularPredictor ClassificationExperiment setup", _TABLES),
    ("AutoKeras and fastai", "StructuredDataClassifier tabular_learner", "Write `TableClassifier(minutes=5)`."),
    ("AutoKeras and PyCaret", "StructuredDataRegressor RegressionExperiment", "Write `TableRegressor(minutes=5)`."),
    ("AutoKeras and AutoGluon", "TimeseriesForecaster TimeSeriesPredictor", "Write `SignalRegressor(minutes=5)`."),
    ("AutoKeras and AutoGluon", "AutoModel MultiModalPredictor", "Write `AutoClassifier(minutes=5)`."),
    ("AutoGluon and Ludwig", "TabularDataset LudwigModel", 'Write `AutoClassifier(minutes=5).fit("train.csv")`.'),
    ("fastai", "vision_learner ImageDataLoaders", 'Write `ImageClassifier(starts="auto").fit("photos/")`.'),
    ("fastai", "text_classifier_learner TextDataLoaders", "Write `TextClassifier(minutes=5)`."),
    ("fastai", "untar_data URLs", 'Write `kerasnas.datasets.load("cifar10")`.'),
    ("ultralytics", "YOLO", 'Write `ImageClassifier(minutes=5).fit("photos/")`.'),
    ("KerasTuner", "RandomSearch Hyperband BayesianOptimization HyperModel", _TUNER),
)
ANSWERS = {word: f"`{word}` is a word of {tools}. {ours}" for tools, words, ours in _ROWS for word in words.split()}
"""Words of other tools, arguments, methods, classes and commands: the line that names ours."""
_TYPED = {
    **{ours: words for ours, words in _OURS.items() if ours not in ("minutes", "log")},  # whose values differ
    "dataset": "data train_data",
    "images": "data dataset source",
    "output_dir": "model model_path",
    "target": "label",
}
_FLAGS = {"folder": "output_dir", "trackers": "log"}  # the flags of arguments that have another name


def flag_of_word(word: str, known: Collection[str]) -> str:
    """Return the flag among those `known` that a word stands for on the command line; "" if there is none."""
    return next((ours for ours, words in _TYPED.items() if ours in known and word in words.split()), "")


def answer_in_flags(word: str) -> str:
    """Return the line for a word that was typed, "" for one of no tool: as `ANSWERS`, with arguments as flags.

    Example:

    >>> answer_in_flags("presets")
    '`presets` is a word of AutoGluon. Write `--minutes=60`, or `--max_parameters=20_000` to be small.'
    """
    seconds = f"`{word}` is in seconds. Write `minutes=5`."
    parts = (seconds if SAME.get(word) == "minutes" else ANSWERS.get(word, "")).split("`")
    for number in range(3, len(parts), 2):
        if re.fullmatch(r"\w+(=.*)?", parts[number]):
            named = re.sub(r"(?:, |^)(\w+)", lambda found: f" --{_FLAGS.get(found[1], found[1])}", parts[number])
            parts[number] = re.sub('[]["]', "", named.strip())
    return "`".join(parts)


def translated(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments by their names here; words of other tools that are None are left out.

    Raises:
        TypeError: for a word of `ANSWERS`, and for two words of one meaning.

    Example:

    >>> translated({"time_limit": 90, "callbacks": None, "seed": 3})
    {'minutes': 1.5, 'seed': 3}
    """
    found: dict[str, Any] = {}
    for word, value in arguments.items():
        if value is None and (word in SAME or word in ANSWERS):
            continue
        if word in ANSWERS:
            raise TypeError(ANSWERS[word])
        name = SAME.get(word, word)
        if name in found:
            raise TypeError(f"`{word}` means `{name}`, which was received too. Expected one of them.")
        found[name] = _VALUES[name](word, value) if word in SAME and name in _VALUES else value
    return found
