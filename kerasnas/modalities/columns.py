"""Tables of samples and labels: frames, and data sets of Hugging Face and of TensorFlow, told by what they can do.

None of their packages is imported: whoever has such an object has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kerasnas import checks

LABELS = ("label", "labels", "class", "target")
"""Names of columns that hold labels, where no other is named."""
Columns = dict[str, Any]


def as_list(x: Any) -> Any:
    """Return paths of an array, an iterator or a column of a frame as a list; anything else as it is."""
    if isinstance(x, np.ndarray):
        return x.tolist() if x.ndim == 1 and x.dtype.kind in "UO" else x
    return list(x) if hasattr(x, "__next__") or hasattr(x, "iloc") else x


def columns_of(x: Any) -> Columns | None:
    """The columns of a table by name, each to be iterated over as often as needed; None where `x` is no table.

    A table is a frame (pandas), a split of a data set of Hugging Face, or a `tf.data.Dataset`, in batches or not, of
    pairs or of mappings. The columns of pairs are named `""` and `"label"`.

    Raises:
        ValueError: for several splits at once, and for what is empty.
    """
    if isinstance(x, Mapping) and x and all(hasattr(part, "column_names") for part in x.values()):
        one = next(iter(x))
        raise ValueError(checks.invalid("x", f"one split, such as `x[{one!r}]`", f"splits {', '.join(map(str, x))}"))
    if hasattr(x, "as_numpy_iterator"):
        return _of_tensorflow(x)
    if hasattr(x, "column_names") and hasattr(x, "features"):
        return _of_hugging_face(x)
    if hasattr(x, "columns") and hasattr(x, "iloc"):
        return {str(name): x[name] for name in x.columns}
    return None


def _of_tensorflow(x: Any) -> Columns:
    rows = list(x.as_numpy_iterator())
    expected = "a dataset of pairs (sample, label), or of mappings with both, not empty"
    if not rows or not (isinstance(rows[0], Mapping) or (isinstance(rows[0], tuple) and len(rows[0]) == 2)):
        raise ValueError(checks.invalid("x", expected, x))
    named = rows if isinstance(rows[0], Mapping) else [{"": sample, "label": label} for sample, label in rows]
    *_, last = named[0]
    label = next((name for name in named[0] if name in LABELS), last)
    join = np.concatenate if np.ndim(named[0][label]) else np.stack
    try:
        found = {name: join([row[name] for row in named]) for name in named[0]}
    except ValueError as error:
        fix = "`dataset.map(lambda x, y: (tf.image.resize(x, (64, 64)), y))` makes images of one size"
        raise ValueError(checks.invalid("x", "samples of one shape", str(error), fix)) from None
    classes = getattr(x, "class_names", None)  # as `keras.utils.image_dataset_from_directory` has them
    if classes:
        y = found[label]
        y = y.argmax(axis=-1) if y.ndim == 2 and y.shape[1] == len(classes) > 1 else y.reshape(-1)
        found[label] = np.array(classes)[y.astype(int)]
    return found


def _of_hugging_face(x: Any) -> Columns:
    if not hasattr(x, "__getitem__"):  # a stream
        rows = list(x)
        names = list(rows[0]) if rows else []
        found: Columns = {name: [row[name] for row in rows] for name in names}
    else:
        found = {name: x[name] for name in x.column_names}
    for name, feature in (x.features or {}).items():
        classes = getattr(feature, "names", None)
        if classes and name in found:
            numbers = np.asarray(list(found[name]))
            if numbers.dtype.kind in "iu":
                if numbers.size and numbers.min() < 0:
                    raise ValueError(checks.invalid("x", f"labels in column '{name}'", "-1, which means none"))
                found[name] = np.array(classes)[numbers]
    return found


def labels_in(columns: Columns, sample: str, target: Sequence[str] = ()) -> np.ndarray:
    """The labels of a table: of the columns `target`, or of one named as `LABELS`, or of the one beside the samples.

    Args:
        columns: of the table.
        sample: the name of the column of samples.
        target: names of columns; several make a table. Defaults to none.

    Raises:
        ValueError: if there is no such column, which names the nearest, or a label is missing.
    """
    parts = [_values(name, columns[name]) for name in label_names(columns, sample, target)]
    return parts[0] if len(parts) == 1 else np.column_stack(parts)


def label_names(columns: Iterable[str], sample: str, target: Sequence[str] = ()) -> list[str]:
    """Return the names of the columns of labels; arguments and errors as for `labels_in`."""
    others = [name for name in columns if name != sample]
    names = list(checks.names("target", target, others, least=0))
    names = names or [name for name in others if name.lower() in LABELS][:1] or others
    if len(names) != 1 and not target:
        expected = f"a table with a column of labels, named {', '.join(LABELS)}, or as the setting `target` says"
        raise ValueError(checks.invalid("x", expected, f"columns {', '.join(columns)}", close(others, LABELS)))
    return names


def _values(name: str, column: Iterable[Any]) -> np.ndarray:
    values = list(column)
    for row, value in enumerate(values):
        if value is None or (isinstance(value, float) and np.isnan(value)):
            raise ValueError(checks.invalid("x", f"a label in each row of column '{name}'", f"none in row {row}"))
    return np.asarray(values)


def close(columns: Iterable[str], names: Sequence[str]) -> str:
    """A sentence on the column whose name is nearest to a right one, if one is near."""
    for name in columns:
        hint = checks.nearest(name.lower(), names)
        if hint.startswith("Did you mean"):
            return f"Rename '{name}'? {hint}"
    return ""
