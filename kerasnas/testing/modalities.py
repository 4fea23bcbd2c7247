"""check_modality: the contract of modalities."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.datasets import Dataset
from kerasnas.datasets.dataset import dataset_of
from kerasnas.export.formats import FORMATS
from kerasnas.modalities import MODALITIES, Modality
from kerasnas.modalities.augmentations import AUGMENTATIONS
from kerasnas.modalities.lookup import modality, of_record
from kerasnas.modalities.parts import Parts
from kerasnas.spaces import SPACES
from kerasnas.testing.common import no_error, refuses, require

_WORDS = ("name", "singular", "plural", "input_plural", "inputs", "value")
_TOLERANCE = 1e-4  # of the front in a model, which computes in float32


def check_modality(member: str | Modality, arrays: Mapping[str, np.ndarray] | None = None) -> None:
    """Check that a modality keeps the contract: words, names that exist, and, given samples, all that reads them.

    Of samples: `read` makes inputs with the modality's axes, which `check` accepts; the front makes the same inputs in
    a model; a record brings the modality back; sizes, short rows and drift statistics are as many as their names; empty
    arrays and missing labels are refused with a ValueError.

    Args:
        member: a name in `MODALITIES`, or an object.
        arrays: samples and labels as in an `.npz` file: `x_train`, `y_train`, `x_test`, `y_test`, at least two classes.
            Defaults to None: only words and names are checked.

    Raises:
        AssertionError: naming the first promise that is broken.

    Example:

    >>> x, y = np.random.default_rng(0).random((8, 4, 4, 1)), np.arange(8) % 2
    >>> check_modality("images", {"x_train": x, "y_train": y, "x_test": x[:2], "y_test": y[:2]})
    """
    own = modality(member) if isinstance(member, str) else checks.instance("member", member, Modality)
    what = f"Modality '{own.name}'"
    _check_words(what, own)
    _check_names(what, own)
    if arrays is None:
        return
    with no_error(f"{what}: `read` refuses the samples"):
        data = dataset_of(own, "contract", arrays)
    _check_inputs(what, data)
    _check_front(what, data)
    _check_description(what, data)
    _check_refusals(what, own, arrays)


def _check_words(what: str, own: Modality) -> None:
    for attribute in _WORDS:
        value = getattr(own, attribute)
        require(isinstance(value, str) and value, f"{what}: `{attribute}` is no word. Received: {value!r}")
    require(
        isinstance(own.axes, tuple) and own.axes and all(isinstance(axis, str) for axis in own.axes),
        f"{what}: `axes` are no tuple of names. Received: {own.axes!r}",
    )
    if own.name in MODALITIES:
        same = type(modality(own.name)) is type(own)
        require(same, f"{what}: MODALITIES has another class under its name: {type(modality(own.name)).__name__}")
    for usage in (own.usage({}, "probabilities", "print(probabilities)"), own.shaped((2,) * len(own.axes))):
        require(isinstance(usage, str) and usage, f"{what}: `usage` and `shaped` have to return text.")


def _check_names(what: str, own: Modality) -> None:
    for name in own.augmentations:
        require(name in AUGMENTATIONS, f"{what}: no augmentation '{name}'. {checks.nearest(name, AUGMENTATIONS)}")
    for attribute in ("gradient_space", "race_space"):
        name = getattr(own, attribute)
        require(not name or name in SPACES, f"{what}: `{attribute}` names no space: '{name}'.")
        require(
            not name or own.fits(SPACES[name]), f"{what}: networks of its `{attribute}` '{name}' take other inputs."
        )
    for name in own.formats or ():
        require(name in FORMATS, f"{what}: no export format '{name}'. {checks.nearest(name, FORMATS)}")
    known = ("", "ngrams", "kernels")
    require(own.companion_setting in known, f"{what}: no setting '{own.companion_setting}' of a companion.")
    require(own.companion(0, 0, False) is None, f"{what}: `companion` of size 0 is not None.")


def _check_inputs(what: str, data: Dataset) -> None:
    own, x = data.modality, data.x_train
    require(x.ndim == 1 + len(own.axes), f"{what}: inputs of shape {x.shape} do not have the axes {own.axes}.")
    require(len(data.raw("train")) == len(x), f"{what}: not as many raw samples as inputs.")
    with no_error(f"{what}: `check` refuses what `read` returns"):
        own.check(x, data.y_train, num_classes=data.num_classes, input_shape=data.input_shape)
    record: dict[str, Any] = {"modality": own.name, "input_shape": list(data.input_shape)}
    record["front"] = data.front.get_config()
    again = of_record(json.loads(json.dumps(record))) if own.name in MODALITIES else own
    require(again == own, f"{what}: `restored` does not bring it back from its record.")


def _check_front(what: str, data: Dataset) -> None:
    front, raw = data.front, data.raw("test")
    inputs = front.input(data.input_shape)
    model = keras.Model(inputs, front.apply(inputs))
    checked = data.modality.checked("x", raw, model, finite=False)
    made = np.asarray(keras.ops.convert_to_numpy(model(checked)))
    require(made.shape == data.x_test.shape, f"{what}: the front makes {made.shape} of raw samples, not the inputs.")
    difference = float(np.abs(made - data.x_test).max())
    require(difference <= _TOLERANCE, f"{what}: the front makes other inputs than `read`, by {difference:.2g}.")


def _check_description(what: str, data: Dataset) -> None:
    own, x, raw = data.modality, data.x_train, data.raw("train")
    sizes = own.measured(x)
    require(
        len(sizes) == len(own.sizes) and np.isfinite(np.asarray(sizes, float)).all(),
        f"{what}: `measured` returns {sizes!r} for the sizes {own.sizes}.",
    )
    small = own.small(x)
    require(small.ndim == 2 and len(small) == len(x), f"{what}: `small` returns no rows. Received: {small.shape}")
    if own.drift:
        values, names = own.statistics(raw)
        expected = (len(raw), len(names))
        require(values.shape == expected, f"{what}: `statistics` returns {values.shape} for {len(names)} names.")
        blank = own.statistics(own.blank(data.raw_shape))[1]
        require(tuple(blank) == tuple(names), f"{what}: the statistics of `blank` have other names: {blank}")
    picture = own.thumbnail(x[0])
    require(picture is None or picture.startswith("data:"), f"{what}: `thumbnail` returns no `data:` URI.")
    require(isinstance(own.excerpt(raw[0]), str), f"{what}: `excerpt` returns no text.")
    if type(own).parts is not Modality.parts:
        _check_parts(what, own.parts(raw[0]), raw[0])


def _check_parts(what: str, parts: Parts, sample: Any) -> None:
    shape, expected = np.shape(parts.samples), (len(parts.names), *np.shape(sample))
    require(shape == expected, f"{what}: `parts` returns {shape} for {len(parts.names)} names and one {expected[1:]}.")
    columns, rest = divmod(len(parts.names), parts.rows)
    require(columns and not rest, f"{what}: {len(parts.names)} `parts` are no grid of {parts.rows} rows.")


def _check_refusals(what: str, own: Modality, arrays: Mapping[str, Any]) -> None:
    few = np.asarray(arrays["y_train"])[:1]
    broken = {
        "no samples": {"x_train": np.asarray(arrays["x_train"])[:0], "y_train": few[:0]},
        "fewer labels than samples": {"y_train": few},
    }
    for words, changes in broken.items():
        refuses(partial(dataset_of, own, "contract", {**arrays, **changes}), f"{what}: `read` accepts {words}.")
