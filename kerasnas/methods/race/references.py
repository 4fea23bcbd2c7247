"""Models without a network that a race's winner is compared with, fitted to all training data."""

from __future__ import annotations

import time
from typing import Any

from kerasnas.runs.method import Context

_STAGE = "references"


def compare_references(context: Context) -> list[dict[str, Any]]:
    """Fit the reference models of the data's modality, as a stage, and evaluate them on the test data."""
    data, task = context.data, context.data.task
    references = data.modality.references(task, context.settings.seed)
    if not references:
        return []
    record = context.stages.stage(_STAGE)
    if record is None:
        models = []
        for name, fit in references.items():
            start = time.perf_counter()
            answers = fit(data.x_train, data.y_train, data.x_test, data.weights)
            score = task.measures(answers, data.y_test)[task.metric]
            models.append({"name": name, "score": score, "seconds": time.perf_counter() - start})
            context.progress(f"  {name}, no network: test {task.words} {task.show(score)}")
        record = context.stages.finish(_STAGE, {"models": models})
    return record["models"]
