"""Words of other tools: arguments of ours by another name, and what to write in place of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
}
SAME = {word: ours for ours, words in _OURS.items() for word in words.split()}
"""Words of other tools: the argument here that has their meaning."""
_METRICS = {"acc": "accuracy", "val_accuracy": "accuracy", "f1_macro": "f1", "roc_auc_ovr_macro": "roc_auc"}
_METRICS |= {"mean_absolute_error": "mae", "root_mean_squared_error": "rmse"}
_VALUES: dict[str, Callable[[str, Any], Any]] = {
    "minutes": lambda word, seconds: checks.number(word, seconds, above=0) / 60,
    "log": lambda word, level: silent if level == 0 else print,
    "metric": lambda word, name: _METRICS.get(name, name) if isinstance(name, str) else name,
}
_ROWS = (
    ("AutoKeras", "max_trials epochs", "Write a budget, `minutes=5`, and `candidates=3` for 3 networks at most."),
    ("Keras", "batch_size", "Leave it out: it follows from the data, and the training lasts for `minutes=5`."),
    ("Keras", "callbacks", 'Write `log=print` for progress, `trackers=["tensorboard"]` for curves.'),
    ("FLAML and AutoGluon", "X_val tuning_data", "Write `validation_split=0.2`, and `test_data` for the report."),
    ("AutoKeras and AutoGluon", "directory path project_name", 'Write `folder="runs/mine"`, which is resumed.'),
    ("AutoKeras and KerasTuner", "overwrite", "Leave out `folder`: each `fit` then starts from scratch."),
    ("AutoKeras and fastai", "metrics", 'Write `metric="f1"`, one metric that fits the task; see `score`.'),
    ("AutoKeras and AutoGluon", "loss multi_label problem_type", 'Write `task="multilabel"`, or another, or nothing.'),
    ("AutoKeras", "num_classes", "Leave it out: `fit(x, y)` reads the classes from the labels."),
    ("AutoGluon", "auto_stack presets", "Write `minutes=60, ensemble=4`, or `max_parameters=20_000` to be small."),
    ("AutoGluon", "label", 'Write `target=["price"]`, the columns of the labels.'),
    ("AutoGluon and scikit-learn", "n_jobs num_cpus", 'Write `executor="processes:4"`.'),
    ("FLAML, AutoGluon and AutoKeras", "estimator_list hyperparameters tuner", "Write `space` or `genotypes`."),
    ("fastai", "arch", 'Write `starts="auto"`, the pretrained networks that take part.'),
    ("ultralytics", "imgsz", 'Write `image_size="64x64"`.'),
    ("Ludwig, ultralytics and PyCaret", "data dataset train", 'Write `fit(x, y)`, or `fit("my_images/")`.'),
    ("KerasTuner, fastai and PyCaret", "compare_models fine_tune search", "Write `fit(x, y)`."),
    ("AutoKeras and KerasTuner", "export_model get_best_models", "Write `.model`, a Keras model, or `.export()`."),
    ("FLAML and KerasTuner", "best_config best_estimator get_best_hyperparameters", "Write `.genotype`."),
    ("AutoGluon and KerasTuner", "fit_summary results_summary", "Write `.leaderboard()`, or `.report()`."),
    ("fastai and PyCaret", "save_model show_results", "Write `.save(folder)`, or `.report()`."),
)
ANSWERS = {word: f"`{word}` is a word of {tools}. {ours}" for tools, words, ours in _ROWS for word in words.split()}
"""Words of other tools, arguments and methods: the line that names ours."""


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
