"""Images: arrays of pixels, and files of photographs."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasnas import checks
from kerasnas.companions.base import Companion
from kerasnas.companions.letters import LetterCompanion
from kerasnas.companions.means import MeansCompanion
from kerasnas.modalities.base import FromPaths, Modality, Paths, Reading, TextLimits, dataset_arguments
from kerasnas.modalities.columns import as_list
from kerasnas.modalities.csv_labels import PATH_COLUMNS
from kerasnas.modalities.decoding import MODES, SUFFIXES, TRAITS, Decoded, pixels_of_images, read_pixels
from kerasnas.modalities.fronts import PICTURES, Front, Levels
from kerasnas.modalities.parts import GRID, Parts, blocks
from kerasnas.modalities.shapes import channel_statistics, part_means
from kerasnas.modalities.signals import checked_parts
from kerasnas.primitives.parts import CHANNELS, LINES, MOST_PARTS, RUNS, TILES
from kerasnas.tasks import Task

_FEW, _SOME = 100, 400  # images whose parts are compared; whose lines are averaged
_ALIKE = 0.6  # correlation from which two channels are
# By how much lines between tiles stand out; and what is enough where mean images of tiles correlate by as much.
_SEAM, _FAINT, _REPEATED = 3.0, 1.4, 0.8
_UNORDERED = 0.8  # of the difference between any two lines, that neighbors differ by: pictures reach 0.75, letters 0.86
_PERIODIC = 5.0  # F ratio of places within runs of lines: of random lines it is 1, of words of letters 30 and more
_SCALES = (1.0, 16.0, 255.0)  # largest values of pixels: of masks and pieces, of digits in 17 levels, of 8 bits
_UNIT = 1.5  # largest value of floats from 0 to 1
_LONG = 8  # times its width, from which an image may be a series
_SIDE = 8  # pixels, on which the nearest image is found
_IMAGES = """\
import json, keras, numpy, PIL.Image, PIL.ImageOps  # the network is made of standard layers: KerasNAS is not needed

classes = json.load(open("model.json"))["classes"]
model = keras.models.load_model("model.keras")
image = {sized}
{answers} = model.predict(numpy.asarray(image).reshape(1, {height}, {width}, {channels}){scaled})[0]
{shown}"""


def letters_in(divisions: Sequence[str]) -> list[str]:
    """Return the divisions of images whose lines are letters: into words, if these are of words, and into lines."""
    return list(divisions) if sum(name in LINES for name in divisions) == 1 else []


class Images(Modality):
    """Images `(height, width, channels)`, to networks from 0 to 1.

    Args:
        pictures: whether their values are of a range that pictures in files have. Defaults to True.
    """

    name = "images"
    singular, plural = "image", "images"
    inputs = "image"
    axes = ("height", "width", "channels")
    value = "pixel"
    fixes = {
        3: "Grey images without a channel axis get one by x[..., None]",
        2: "Flattened images get their axes back by x.reshape(-1, height, width, channels)",
    }
    columns = PATH_COLUMNS
    suffixes = SUFFIXES
    traits = TRAITS
    augmentations = (
        *("shift", "zoom", "flip", "flip_vertical", "rotate", "cutout", "color_jitter", "drop_rows", "drop_columns"),
    )
    gradient_space, race_space = "darts", "macro"
    resizes = True
    gaps = '. Fill gaps; for series, which may end in NaN: the array kind="signals", or SignalClassifier'
    near = 0.995  # in 19 sets those were copies, and letters of two fonts that look alike
    adaptable = True
    example = "image.png"
    hub_tasks = {"classification": "image-classification"}
    in_words = "{height}x{width}x{channels}"

    def __init__(self, pictures: bool = True):
        self.pictures = checks.instance("pictures", pictures, bool)
        if not pictures:
            self.example = ""

    def restored(self, record: Mapping[str, Any]) -> Modality:
        return type(self)((record.get("front") or {}).get("name") != Levels.name)

    def read(self, arrays: Mapping[str, np.ndarray], task: Task, limits: TextLimits) -> dict[str, Any]:
        x, y = checked_parts(self, arrays, task)
        low, highest = min(one.min() for one in x.values()), {part: one.max() for part, one in x.items()}
        high = max(highest.values())
        if low < 0 or high > _SCALES[-1]:
            front = Levels.fitted(x["train"], *PICTURES)
            note = f"Values from {low:g} to {high:g}, of each channel brought to a mean of 0.5 and a deviation of 0.2"
            inputs = {part: front.inputs(one) for part, one in x.items()}
            raw = {part: one.astype(np.float32) for part, one in x.items()}
            bound = type(self)(pictures=False)
            return dataset_arguments(inputs, y, task, raw, front=front, notes=(note, *_strips(x)), modality=bound)
        floats = {part: one.dtype.kind == "f" for part, one in x.items()}
        alike = {part: max(highest[other] for other in x if floats[other] == floats[part]) for part in x}
        scales = {part: _scale(alike[part], floats[part]) for part in x}
        x = {part: np.divide(one, scales[part], dtype=np.float32, order="C") for part, one in x.items()}
        return dataset_arguments(x, y, task, scale=scales["train"], notes=_strips(x))

    def load_options(self, reading: Reading) -> dict[str, Any]:
        assert reading.shape is not None
        return {"image_size": reading.shape[:2], "image_fit": reading.fit}

    def decode(self, paths: Sequence[Path], root: Path | None, reading: Reading, cache: Path | None = None) -> Decoded:
        self._check_pictures()
        return read_pixels(paths, root, reading, cache)

    def _check_pictures(self) -> None:
        if not self.pictures:
            raise ValueError(
                "The network takes images of another range than pictures have, 0 to 255. Pass it an array."
            )

    def samples(self, x: Any, reading: Reading) -> np.ndarray:
        x = as_list(x)
        first = x[0] if isinstance(x, list) and x else next(iter(x), None) if _is_column(x) else None
        if isinstance(first, str | os.PathLike):
            return reading.scaled(self.decoded([*map(Path, x)], Path(), reading)[0])
        if hasattr(first, "getexif"):
            self._check_pictures()
            return reading.scaled(pixels_of_images(x, reading))
        if reading.shape is None:
            for name, value, default in (("image_size", reading.size, None), ("image_fit", reading.fit, "stretch")):
                if value != default:
                    usual = "auto" if default is None else default
                    raise ValueError(checks.invalid(name, f"'{usual}', as `x` is an array of images", value))
        return checks.array("x", list(x) if _is_column(x) else x)

    def queries(self, x: Any, reading: Reading) -> np.ndarray:
        assert reading.shape is not None
        x = self.column(x, reading)
        if _is_column(x) or (isinstance(x, list) and x and hasattr(x[0], "getexif")):
            x = self.samples(x, reading)
        if (read := self.of_paths(x, reading)) is not None:
            return reading.scaled(read)
        images = checks.array("x", x)
        if not images.ndim or not len(images):
            raise ValueError(checks.invalid("x", "images, at least one", f"shape {images.shape}"))
        images = images[..., None] if images.ndim == 3 and images.shape[1:] == reading.shape[:-1] else images
        if images.shape[1:] != reading.shape:
            raise ValueError(checks.invalid("x", f"images of shape {reading.shape}", images.shape[1:]))
        return images

    def from_paths(self, paths: Paths, reading: Reading) -> FromPaths:
        shape = reading.shape
        if shape is None or shape[-1] not in MODES:
            raise ValueError(f"The network takes samples of shape {shape}, not images.")
        names, pixels, failed = super().from_paths(paths, reading)
        return names, pixels * np.float32(reading.scale / 255), failed

    def usage(self, record: Mapping[str, Any], answers: str, shown: str) -> str:
        shape, scale = tuple(record.get("input_shape") or (0,)), record.get("scale")
        if scale is None or len(shape) != 3 or shape[-1] not in MODES or not self.pictures:
            return super().usage(record, answers, shown)
        height, width, channels = shape
        scaled = "" if scale == 255 else f" / {255 / scale:g}"
        opened, size = f'PIL.Image.open("image.png").convert("{MODES[channels]}")', f"({width}, {height})"
        ways = {"crop": f"PIL.ImageOps.fit({opened}, {size})", "pad": f"PIL.ImageOps.pad({opened}, {size})"}
        sized = ways.get(str(record.get("image_fit")), f"{opened}.resize({size})")
        sizes = {"height": height, "width": width, "channels": channels}
        return _IMAGES.format(sized=sized, **sizes, scaled=scaled, answers=answers, shown=shown)

    def divisions(self, x: np.ndarray) -> tuple[str, ...]:
        """Return the parts that images may be read by: one kind, or rows, columns and runs of these, or none.

        Channels, if no two are alike: those of photographs correlate by .9, of unrelated images by .3. Tiles, if the
        lines between them stand out: across these pixels differ far more, or less, than elsewhere, or only clearly so
        where mean images of tiles are alike. Rows and columns, if neighboring lines are no more alike than any others,
        as where rows are letters: of pictures, they differ by a fifth to three quarters as much; of these, where each
        line has one pixel that is not zero, the letters alone. Runs of lines, if means of lines differ by their place
        within them, as the letters of words do.

        Example:

        >>> noise = np.random.default_rng(0).random((20, 8, 8, 1))
        >>> tile = noise.cumsum(axis=1).cumsum(axis=2)
        >>> Images().divisions(tile), Images().divisions(np.tile(tile, (1, 2, 2, 1))), Images().divisions(noise)
        ((), ('tiles_2x2',), ('rows', 'columns'))
        """
        some = np.asarray(x[:_FEW], "float32")
        columns = some.reshape(-1, x.shape[-1])
        columns = columns[:, columns.std(axis=0) > 0]  # a constant one is like none
        if columns.shape[-1] > 1:
            alike = np.abs(np.corrcoef(columns, rowvar=False)) - np.eye(columns.shape[-1])
            if alike.max() < _ALIKE:
                return (CHANNELS,)
        few, many = (
            {name: np.moveaxis(images, axis, 0) for axis, name in enumerate(LINES, start=1)}
            for images in (some, np.asarray(x[:_SOME], "float32"))
        )
        if (tiles := "tiles_" + "x".join(str(_tiles(lines)) for lines in many.values())) in TILES:
            return (tiles,)
        if not all(map(_is_unordered, few.values())):
            return ()
        lines = [name for name in LINES if _are_signs(few[name])] or LINES
        runs = {name: _runs(many[name]) for name in lines}
        return (*(f"{name}_in_{number}" for name, number in runs.items() if number), *lines)

    def companion(
        self, size: int, seed: int, padded: bool, front: Front | None = None, divisions: Sequence[str] = ()
    ) -> Companion | None:
        if letters := letters_in(divisions):
            return LetterCompanion(letters[0])
        return MeansCompanion() if CHANNELS in divisions else None

    def small(self, x: np.ndarray) -> np.ndarray:
        return part_means(x, (_SIDE, _SIDE))

    def statistics(self, x: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        return channel_statistics(x)

    def parts(self, raw: Any) -> Parts:
        return blocks(raw, GRID, lambda rows, columns: f"rows {rows[0]}-{rows[1]}, columns {columns[0]}-{columns[1]}")

    def thumbnail(self, x: np.ndarray, side: int = 64) -> str | None:
        if x.ndim != 3 or x.shape[-1] not in MODES:
            return None
        low, high = (0.0, 1.0) if self.pictures else (float(x.min()), float(x.max()))
        pixels = np.rint(255 * np.clip((x - low) / (high - low or 1.0), 0, 1)).astype(np.uint8)
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        picture.thumbnail((side, side))
        file = io.BytesIO()
        picture.save(file, format="PNG", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _scale(largest: float, floats: bool) -> float:
    """Return the largest value that pixels of a range have, by the largest that there is, of floats or integers."""
    return 1.0 if floats and largest <= _UNIT else next(scale for scale in _SCALES if largest <= scale)


def unit_pixels(x: np.ndarray) -> np.ndarray:
    """`x`, or of images in integers from 0 to 255, as files hold them, `x / 255` in float32, with a warning.

    Signals, integers of another range and images of no value above 1 are returned as they are.

    Example:

    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     unit_pixels(np.array([0, 51, 255], "uint8").reshape(1, 1, 3, 1)).ravel().round(1)
    array([0. , 0.2, 1. ], dtype=float32)
    """
    if x.ndim != 4 or not x.size or not np.issubdtype(x.dtype, np.integer):
        return x
    smallest, largest = int(x.min()), int(x.max())
    if smallest < 0 or not 1 < largest <= 255:
        return x
    checks.warn(
        f"Images of dtype {x.dtype} with values from {smallest} to {largest} are read as `x / 255`. Pass the same to "
        'whatever is trained or evaluated by hand: `x.astype("float32") / 255`.'
    )
    return x.astype("float32") / 255


def _is_unordered(lines: np.ndarray) -> bool:
    """Return True if lines of pixels differ from their neighbors nearly as much as from any other line."""
    if len(lines) < 4:
        return False
    order = np.random.default_rng(0).permutation(len(lines))
    others = np.abs(lines[order] - lines[np.roll(order, 1)]).mean()
    return bool(np.abs(np.diff(lines, axis=0)).mean() > _UNORDERED * others > 0)


def _are_signs(lines: np.ndarray) -> bool:
    """Return True if each line, `(lines, samples, ...)`, is a sign: one of its pixels is not zero."""
    return bool((np.count_nonzero(lines.reshape(*lines.shape[:2], -1), axis=-1) == 1).all())


def _runs(lines: np.ndarray) -> int:
    """Return how many runs of equal length lines, `(lines, samples, ...)`, are made of; 0 if they are of none.

    By the F ratio of an analysis of variance: means of lines differ from place to place within runs, and not from run
    to run.
    """
    means, ratios = lines.reshape(*lines.shape[:2], -1).mean(axis=1), dict[int, float]()
    for number, length in {(number, len(means) // number) for _, number in RUNS.values() if not len(means) % number}:
        if length > 1:
            runs = means.reshape(number, length, -1)
            places = runs.mean(axis=0)
            between = number * np.square(places - means.mean(axis=0)).sum() / (length - 1)
            within = np.square(runs - places).sum() / (length * (number - 1))
            ratios[number] = float(between / max(within, 1e-12))
    best = max(ratios, key=lambda number: ratios[number], default=0)
    return best if ratios.get(best, 0.0) > _PERIODIC else 0


def _tiles(lines: np.ndarray) -> int:
    """Return how many tiles of equal size lines of pixels, `(lines, samples, ...)`, are made of; 1 if they are one."""
    steps = np.abs(np.diff(lines, axis=0)).mean(axis=tuple(range(1, lines.ndim)))
    usual, means = np.median(steps), lines.mean(axis=1)
    for number in range(MOST_PARTS, 1, -1):
        length, left = divmod(len(lines), number)
        if left or length < 2:
            continue
        with np.errstate(invalid="ignore"):  # of tiles of one tone
            alike = np.corrcoef(means.reshape(number, -1)).min() > _REPEATED
        factor, seams = _FAINT if alike else _SEAM, steps[length - 1 :: length]
        if seams.min() > factor * usual > 0 or seams.max() < usual / factor:
            return number
    return 1


def _strips(x: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Return a note if grey images are so long and narrow that they may be series."""
    height, width, channels = x["train"].shape[1:]
    if channels > 1 or height < _LONG * width:
        return ()
    series = f"series of {height} values" + (f" in {width} channels" if width > 1 else "")
    return (f'Read as images of {height}x{width}. For {series}: the array kind="signals", or SignalClassifier',)


def _is_column(x: Any) -> bool:
    """Return True for a column of a table that is read row by row, such as one of Hugging Face's."""
    return hasattr(x, "__iter__") and not hasattr(x, "__array__") and not isinstance(x, str | bytes | list | tuple)
