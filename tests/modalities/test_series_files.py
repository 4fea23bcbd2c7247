"""Files of the time series archives: classes and numbers, pairs, several dimensions and lengths, missing values."""

import numpy as np
import pytest

from kerasnas.datasets import load
from kerasnas.modalities import MODALITIES
from kerasnas.modalities.decoding import Reading

HEADER = "#A comment\n@problemName Small\n@timeStamps false\n@univariate {}\n@{} true {}\n@data\n"
PLAIN = HEADER.format("true", "classLabel", "up down")


def write(path, rows, header=PLAIN):
    path.write_text(header + "\n".join(rows) + "\n")
    return path


def rows(number, labels=("up", "down")):
    return [f"{row},{row + 1},{row + 2},{row + 3}:{labels[row % 2]}" for row in range(number)]


def test_a_pair_of_files_is_a_split_whichever_is_named(tmp_path):
    train, test = (write(tmp_path / f"Small_{part}.ts", rows(n)) for part, n in (("TRAIN", 12), ("TEST", 4)))
    for file in (train, test):
        data = load(file)
        assert data.modality.name == "signals" and data.classes == ("down", "up") and data.raw_shape == (4, 1)
        assert (len(data.y_train), len(data.y_test)) == (12, 4) and data.raw("train")[2, :, 0].tolist() == [2, 3, 4, 5]
        assert data.names("test")[0] == "Small_TEST.ts, line 7" and data.y_test.tolist() == [1, 0, 1, 0]
    test.unlink()
    data = load(train)
    assert (len(data.y_train), len(data.y_test)) == (10, 2) and data.notes[0] == "Found 12 series, 2 classes"


def test_several_dimensions_and_lengths_missing_values_and_numbers(tmp_path):
    lines = ["1,?,3,4:5,6,?,?:0.5", "1,2,?:3,4,?:1.5", *(f"{n},2,3,4:5,6,7,8:{n}" for n in range(10))]
    data = load(write(tmp_path / "numbers.ts", lines, HEADER.format("false", "targetLabel", "")))
    assert data.task.name == "regression" and data.raw_shape == (4, 2)
    raw = {name: x for part in ("train", "test") for name, x in zip(data.names(part), data.raw(part), strict=True)}
    np.testing.assert_array_equal(raw["numbers.ts, line 7"], [[1, 5], [2, 6], [3, 6], [4, 6]])
    np.testing.assert_array_equal(raw["numbers.ts, line 8"], [[1, 3], [2, 4], [np.nan] * 2, [np.nan] * 2])
    assert "Missing values of 1 series are interpolated" in data.notes


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        ("", "1,2:up", "a header, @data, and lines of numbers"),
        (PLAIN.replace("@classLabel true", "@classLabel false"), "1,2:up", "`@classLabel true` or `@targetLabel true`"),
        (PLAIN, "1,2,three:up", r"bad\.ts, line 7: expected numbers, then `:` and a label"),
        (PLAIN, "?,?:up", "no value"),
        (PLAIN, "1,2:up\n1,2:3,4:up", "line 8: .*2 dimensions after 1"),
    ],
)
def test_files_of_another_format_are_refused(tmp_path, header, line, message):
    with pytest.raises(ValueError, match=message):
        load(write(tmp_path / "bad.ts", [line], header))


def test_series_to_predict_have_labels_or_not_and_are_as_long_as_the_network_asks(tmp_path):
    signals, reading = MODALITIES["signals"](), Reading(shape=(4, 1))
    labeled = write(tmp_path / "labeled.ts", ["1,?,3:up", "4,5,6,7,8:down"])
    plain = write(tmp_path / "plain.ts", ["1,2"], PLAIN.replace("@classLabel true", "@classLabel false"))
    names, x, failed = signals.from_paths([labeled, str(plain)], reading)
    assert names == ["labeled.ts, line 7", "labeled.ts, line 8", "plain.ts, line 7"] and not failed
    np.testing.assert_array_equal(x[..., 0], [[1, 2, 3, *[np.nan] * 2], [4, 5, 6, 7, 8], [1, 2, *[np.nan] * 3]])
    assert signals.from_paths([plain], reading)[1].shape == (1, 4, 1)
    with pytest.raises(FileNotFoundError, match=r"takes signals\. Expected \.ts files\. Received: .*photo\.png"):
        signals.from_paths([tmp_path / "photo.png"], reading)
    with pytest.raises(ValueError, match=r"plain\.ts, line 7: expected numbers \("):
        signals.from_paths([write(plain, ["1,2:up"], PLAIN.replace("Label true", "Label false"))], reading)
