"""Which parts of a sample the answer of a finished run's network depends on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasnas.export.classifier import Classifier

_SIDE = 384  # pixels of a picture


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Answer of a network to a sample, and by how much it is lower without each part.

    Args:
        name: of the sample: its file, or the text.
        answers: the probability of each class or label, or the numbers, by name.
        explained: name of the largest of them.
        parts: their names, in reading order.
        changes: how much larger the explained answer is than that without each part.
        rows: lines of the grid that the parts lie in.
        picture: of the sample, a `data:` URI; None if there is none.
    """

    name: str
    answers: dict[str, float]
    explained: str
    parts: Sequence[str]
    changes: Sequence[float]
    rows: int
    picture: str | None


def explain(classifier: Classifier, names: Sequence[Path | str], samples: np.ndarray) -> list[Explanation]:
    """Leave out each part of samples in turn, and return by how much the largest answer is lower without it.

    Of images, a part is one of 64 blocks, which becomes the mean color; of series and recordings one of 16 windows; of
    texts a word; of rows a column, which becomes missing.

    Args:
        classifier: of a run.
        names, samples: of raw samples and these themselves, as `from_paths` of its modality returns them.

    Raises:
        ValueError: if samples of such a network are not divided into parts.

    Reference:
        Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014 (arXiv 1311.2901), section 4.2.

    Differences from the paper:
    - Blocks lie side by side, where the paper's grey square is moved by pixels; they are of the image's mean color.
    """
    found, modality, classes = [], classifier.modality, classifier.classes
    for name, sample in zip(names, samples, strict=True):
        parts = modality.parts(sample)
        whole = np.array([sample], dtype=parts.samples.dtype)
        answers, *without = classifier.answers(np.concatenate([whole, parts.samples]))
        most = int(np.argmax(answers))
        changes = [float(answers[most] - one[most]) for one in without]
        by_name = dict(zip(classes, map(float, answers), strict=True))
        picture = modality.thumbnail(sample / classifier.scale, _SIDE) if parts.rows > 1 else None
        found.append(Explanation(str(name), by_name, classes[most], parts.names, changes, parts.rows, picture))
    return found
