"""Teaching: a pretrained network that may not take part tells those that do what it sees in each sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasnas.racing.race.field import Field
from kerasnas.starts.adapted import FROZEN
from kerasnas.starts.base import STAGES
from kerasnas.tasks import Task

_SHARE = 0.5  # of a lesson, that is the teacher's


def teach(field: Field, probe: dict[str, Any]) -> None:
    """Let the networks of a race learn what the frozen network of a probe says, if it is ahead of the first candidate.

    Its answers are those of regressions on all other samples: to one that it was fitted to, it would repeat the label.

    Args:
        field: with a prober.
        probe: the best one, as `Prober.probe` returns it.

    Reference:
        Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015 (arXiv 1503.02531). Answers to
        samples that were left out, half of each lesson, at temperature 1, are this project's own choice.
    """
    prober = field.prober
    assert prober is not None
    first = field.entries[field.progress["first"]]
    name = f"{probe['start']}, frozen, {probe['size']}x{probe['size']},"
    if not first["outcome"] and first["curve"][-1]["accuracy"] >= probe["score"]:
        field.log(f"  {name} does not teach: {field.progress['first']} is as good already.")
        return
    field.log(f"  {name} teaches.")
    said, held = prober.answers(probe["start"], probe["size"], probe["head"], field.data, field.held_out)
    lessons = {"data": lesson(field.task, said, field.data[1]), "held_out": lesson(field.task, held, field.held_out[1])}
    genotype = prober.space.network(probe["start"], probe["size"], (FROZEN,) * STAGES, probe["head"])
    field.learn(lessons, {**prober.describe(genotype), "score": probe["score"]})


def lesson(task: Task, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return probabilities to learn, `(samples, outputs)`: half the label, half what a teacher answers.

    Args:
        task: whose answers are probabilities.
        outputs: of the teacher, NaN for samples that it does not know: the label alone is learned of these.
        y: labels.

    Example:

    >>> from kerasnas.tasks.known import CLASSIFICATION
    >>> lesson(CLASSIFICATION, np.array([[0.0, 0.0], [np.nan, np.nan]]), np.array([1, 0])).tolist()
    [[0.25, 0.75], [1.0, 0.0]]
    """
    labels = task.targets(y, outputs.shape[1])
    taught = (1 - _SHARE) * labels + _SHARE * task.answers(outputs)
    return np.where(np.isnan(outputs), labels, taught).astype(np.float32)
