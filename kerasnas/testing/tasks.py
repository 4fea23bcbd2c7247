"""check_task: the contract of tasks."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np

from kerasnas.tasks.base import TASKS, Task, task_class
from kerasnas.tasks.known import task_of
from kerasnas.testing.common import no_error, require

_SAMPLES = 60
_RNG = np.random.default_rng(0)
_LABELS = (  # raw labels of usual tasks; the first that a task accepts are used
    _RNG.normal([3.0, -1.0], [2.0, 0.1], (_SAMPLES, 2)),
    _RNG.poisson([2.0, 9.0], (_SAMPLES, 2)),
    (_RNG.random((_SAMPLES, 3)) < 0.4).astype("int64"),
    _RNG.integers(3, size=_SAMPLES),
)


def check_task(task: str | Task, y: np.ndarray | None = None) -> None:
    """Check that `task` keeps the contract of tasks, on random outputs and labels.

    Its configuration makes it again; labels are prepared in the stated dtype and shape, and wrong ones are refused by
    name; the deployed layer is a standard one that computes `answers`; outputs have the loss of their answers; the
    gradient of the linear loss is right; scores are at most 1; metrics, intervals, strata, readings, the baseline,
    mistakes and texts fit together.

    Args:
        task: a registered name, or a task.
        y: raw labels of at least 20 samples. Defaults to None: numbers, counts, a table of 0 and 1, or classes, the
            first that the task accepts.

    Raises:
        AssertionError: naming the first violation.

    Example:

    >>> check_task("regression")
    """
    if isinstance(task, str):
        require(task in TASKS, f"No task is registered as {task!r}. Registered: {sorted(TASKS)}")
    made: Task = task_class(task)() if isinstance(task, str) else task
    what = f"Task {made.name!r}"
    require(not isinstance(task, str) or made.name == task, f"{what} is registered as {task!r}.")
    with no_error(what):
        raw, y_learned, made = _labels(what, type(made), y)
        outputs = raw.shape[1] if raw.ndim == 2 else int(raw.max()) + 1
        logits = np.random.default_rng(1).normal(size=(len(raw), outputs)).astype("float32")
        _check_labels(what, made, raw, y_learned, outputs)
        _check_training(what, made, logits, y_learned)
        _check_deployed(what, made, logits, raw, y_learned)
        _check_companions(what, made, logits, y_learned)
        _check_words(what, made, made.answers(logits), y_learned)


def _labels(what: str, kind: type[Task], y: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, Task]:
    """Return raw labels that a task accepts, the same prepared, and the task fitted to them."""
    for raw in _LABELS if y is None else (y,):
        try:
            learned, _, fitted = kind.prepare(raw, raw)
            fitted.check(learned, None)
        except ValueError:
            continue
        return kind.table(raw), learned, fitted
    raise AssertionError(f"{what} accepts none of the usual labels: pass some of its own as `y`.")


def _check_labels(what: str, task: Task, raw: np.ndarray, y: np.ndarray, outputs: int) -> None:
    config = json.loads(json.dumps(task.get_config()))
    registered = task.name in TASKS and task_class(task.name) is type(task)
    again = task_of(config) if registered else type(task)(**{key: config[key] for key in config if key != "name"})
    require(again == task, f"{what}: its configuration makes {again!r}. Expected: {task!r}")
    require(
        y.dtype.name in (task.dtype, raw.dtype.name) and y.shape[1:] == task.label_shape(outputs),
        f"{what}: `prepare` makes labels of dtype {y.dtype} and shape {y.shape}. Expected {task.dtype} and "
        f"{(len(y), *task.label_shape(outputs))}, as `dtype` and `label_shape` say.",
    )
    require(np.allclose(task.raw(task.prepared(raw)), raw), f"{what}: `raw` is not the inverse of `prepared`.")
    task.check(y, outputs)
    task.check_trainable(y, len(y), outputs, "training", "samples")
    for wrong, why in ((np.full(len(y), "a"), "texts"), (np.full((len(y), outputs), np.nan), "NaN"), (y, "outputs")):
        try:
            task.check(wrong, 1 if why == "outputs" else outputs, argument="labels")
        except ValueError as error:
            require("`labels`" in str(error), f"{what}: the error of `check` does not name its argument: {error}")
            continue
        require(outputs == 1 and why == "outputs", f"{what}: `check` accepts labels that are wrong: {why}.")
    names = [f"name {index}" for index in range(outputs)]
    same = task.renamed(task.raw(y), names, names, "data")
    require(np.allclose(same, task.raw(y)), f"{what}: `renamed` changes labels whose names are the same.")
    strata = np.asarray(task.strata(y))
    require(
        strata.shape == (len(y),) and strata.min() >= 0 and strata.max() < task.strata_number(strata, outputs),
        f"{what}: expected `strata` from 0 to below `strata_number`, one for each sample. Received: {strata}",
    )


def _check_training(what: str, task: Task, logits: np.ndarray, y: np.ndarray) -> None:
    found = float(keras.ops.convert_to_numpy(task.loss()(y, logits)))
    evaluation = task.evaluation(task.answers(logits), y)
    missing = {task.metric, task.score_metric, "loss", *task.further} - set(evaluation)
    require(not missing, f"{what}: `evaluation` lacks {sorted(missing)}.")
    wrong = {name: value for name, value in evaluation.items() if not np.isfinite(value)}
    require(not wrong, f"{what}: `evaluation` is not finite: {wrong}")
    require(
        np.isclose(found, evaluation["loss"], rtol=1e-3),
        f"{what}: the loss of outputs is {found:.6g}, that of their answers {evaluation['loss']:.6g}.",
    )
    scores = np.asarray(task.scores(logits, y))
    require(
        scores.shape == (len(y),) and scores.max() <= 1 + 1e-9,
        f"{what}: expected `scores` of at most 1, one for each sample. Received: {scores.shape}, {scores.max()}",
    )
    require(
        not task.metric_is_mean or np.isclose(scores.mean(), evaluation[task.metric]),
        f"{what}: `metric_is_mean`, but the metric is {evaluation[task.metric]} and the mean score {scores.mean()}.",
    )
    low, high = task.interval(task.answers(logits), y)
    require(low <= evaluation[task.metric] <= high, f"{what}: the interval {low} to {high} is not around the metric.")


def _check_deployed(what: str, task: Task, logits: np.ndarray, raw: np.ndarray, y: np.ndarray) -> None:
    layer, answers = task.layer(), task.answers(logits)
    for part in (layer, *getattr(layer, "layers", ())):
        standard = type(part).__module__.startswith("keras.")
        require(standard, f"{what}: the deployed layer {type(part).__name__} is not one of Keras.")
    inputs = keras.Input(logits.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    found = model.predict(logits, verbose=0)
    require(np.allclose(found, answers, rtol=1e-4, atol=1e-5), f"{what}: `layer` does not compute `answers`.")
    loss, metrics = task.deployed
    model.compile("sgd", loss, metrics=list(metrics))
    model.evaluate(logits, task.raw(y), verbose=0)
    require(task.deployed_as in ("classifier", "regressor"), f"{what}: deployed as {task.deployed_as!r}.")
    losses = keras.ops.convert_to_numpy(task.answer_loss(answers)(task.raw(y), answers))
    require(
        losses.shape == (len(y),) and np.isfinite(losses).all(),
        f"{what}: expected a finite `answer_loss` for each sample. Received: shape {losses.shape}",
    )
    require(task.answer_scores(answers, task.raw(y)).shape == (len(y),), f"{what}: `answer_scores` has another shape.")
    require(task.same(answers, answers).all(), f"{what}: an answer is not the `same` as itself.")
    require(np.isclose(task.agreement(raw, raw), 1), f"{what}: labels do not agree with themselves.")
    reading = task.reading([f"name {index}" for index in range(logits.shape[1])])
    reading.watch(answers)
    columns, given = reading.columns(answers), reading.labels("y", task.raw(y), len(y))
    require(columns.shape == (len(y), len(reading.column_names)), f"{what}: the reading has {columns.shape} columns.")
    require(reading.wrong(answers, given).shape == (len(y),), f"{what}: the reading has not one verdict a sample.")
    coded, _, labels = task.encoded(raw, None)
    require(len(coded) == len(raw), f"{what}: `encoded` changes the number of labels.")
    predicted = task.predicted(answers, labels)
    require(predicted.shape == raw.shape, f"{what}: predictions have shape {predicted.shape}, labels {raw.shape}.")


def _check_companions(what: str, task: Task, logits: np.ndarray, y: np.ndarray) -> None:
    outputs = logits.shape[1]
    targets, step = task.targets(y, outputs), 1e-5
    _, gradient = task.linear_loss(logits.astype(float), targets)
    for column in range(outputs):
        moved = [logits.astype(float) for _ in range(2)]
        moved[0][3, column] += step
        moved[1][3, column] -= step
        slope = (task.linear_loss(moved[0], targets)[0] - task.linear_loss(moved[1], targets)[0]) / (2 * step)
        require(
            np.isclose(slope, gradient[3, column], rtol=1e-3, atol=1e-4),
            f"{what}: the gradient of `linear_loss` is {gradient[3, column]:.6g}, and its slope {slope:.6g}.",
        )
    require(task.ridge_targets(targets).shape == targets.shape, f"{what}: `ridge_targets` have another shape.")
    score = task.machine_score(task.machine().fit(logits, y).predict(logits), y)
    require(score <= 1, f"{what}: the score of the baseline is {score}, above 1.")


def _check_words(what: str, task: Task, answers: np.ndarray, y: np.ndarray) -> None:
    names = [f"name {index}" for index in range(answers.shape[1])]
    summary = json.loads(json.dumps(task.summary(answers, y, names, "data")))
    mistakes = task.mistakes(answers, y, 3)
    first: dict[str, Any] = dict(zip(names, answers[0].tolist(), strict=True))
    texts: dict[str, Any] = {
        "words": task.words,
        "score_words": task.score_words,
        "described_as": task.described_as,
        "mistakes_words": task.mistakes_words,
        "outputs_words": "".join(task.outputs_words),
        "in_words": task.in_words(first),
        "score_in_words": task.score_in_words(0.5, "samples"),
        "result_in_words": task.result_in_words(0.5, 10, "test"),
        "summary_in_words": task.summary_in_words(summary),
        "purpose": task.purpose("images", "data", names),
        "label_in_words": task.label_in_words(mistakes[0]["label"], names) if mistakes else "none",
        **{f"text_cells[{index}]": cell for index, cell in enumerate(task.text_cells(first))},
    }
    for name, text in texts.items():
        require(isinstance(text, str) and text, f"{what}: expected a text as `{name}`. Received: {text!r}")
    json.dumps([mistakes, task.evidence(answers, y), task.json_entries(first), task.csv_cells(first)])
