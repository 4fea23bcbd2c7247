"""Splits of whole groups."""

import numpy as np
import pytest

from kerasnas import datasets
from kerasnas.tasks.splits import grouped_split
from tests.kit import save_image

RNG = np.random.default_rng(0)
GROUPS = np.repeat(np.arange(20), RNG.integers(5, 30, 20))
Y = RNG.integers(0, 4, len(GROUPS))


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("groups", [GROUPS, np.array([f"speaker {group}" for group in GROUPS])])
def test_no_group_is_in_both_parts_and_the_shares_are_right(fraction, groups):
    first, second = grouped_split(Y, groups, fraction, seed=3)
    assert sorted([*first, *second]) == list(range(len(Y))) and (np.diff(first) > 0).all()
    assert not set(groups[first]) & set(groups[second])
    assert len(second) / len(Y) == pytest.approx(fraction, abs=0.05)
    shares = [np.bincount(Y[part], minlength=4) / len(part) for part in (first, second)]
    assert abs(shares[0] - shares[1]).max() < 0.12
    again = grouped_split(Y, groups, fraction, seed=3)
    np.testing.assert_array_equal(again[1], second)
    assert any(len(grouped_split(Y, groups, fraction, seed)[1]) != len(second) for seed in range(4, 9))


def test_every_class_can_still_be_learned():
    """One class is in two groups alone: at most one of them may go."""
    y, groups = np.repeat([0, 1, 0, 1, 2, 2], 5), np.repeat([0, 1, 2, 3, 4, 5], 5)
    for seed in range(10):
        first, _ = grouped_split(y, groups, 0.4, seed)
        assert set(y[first]) == {0, 1, 2}


@pytest.mark.parametrize(
    ("y", "groups", "fraction", "message"),
    [
        ([0, 1], [0, 0], 0.5, "at least two groups"),
        ([0, 1], [0, 1], 0.5, "every class is in at least two"),
        ([0, 1], [0], 0.5, "a group for each of the 2 labels"),
        ([0, 1], [0, 1], 1.0, "`fraction`"),
    ],
)
def test_bad_input(y, groups, fraction, message):
    with pytest.raises(ValueError, match=message):
        grouped_split(np.array(y), np.array(groups), fraction, 0)


def write(path, brightness):
    save_image(path, np.full((6, 6), brightness, np.uint8))


def test_folders_within_a_class_are_groups(tmp_path):
    for group in range(5):
        for index in range(4):
            for label in ("ill", "well"):
                write(tmp_path / label / f"patient {group}" / f"{index}.png", 10 * group)
        write(tmp_path / "ill" / ".thumbnails" / f"{group}.png", 255)
    data = datasets.load(tmp_path)
    assert len(data.x_train) == 32 and len(data.x_test) == 8 and data.x_train.max() < 1
    held_out = {round(float(image.mean() * 25.5)) for image in data.x_test}
    assert len(held_out) == 1 and len(set(data.groups)) == 4  # the test set is a patient of its own
    for image, group in zip(data.x_train, data.groups, strict=True):
        assert group == f"patient {round(float(image.mean() * 25.5))}"


def test_one_folder_in_each_class_is_no_group(tmp_path):
    for label in ("ill", "well"):
        for index in range(5):
            write(tmp_path / label / "images" / f"{index}.png", 10 * index)
    data = datasets.load(tmp_path)
    assert data.groups is None and len(data.x_train) == 8


def test_an_npz_file_brings_its_groups(tmp_path):
    arrays = {"x_train": np.zeros((4, 6, 6), "uint8"), "y_train": [0, 1, 0, 1]}
    arrays |= {"x_test": np.zeros((2, 6, 6), "uint8"), "y_test": [0, 1]}
    np.savez(tmp_path / "a.npz", **arrays, groups=["x", "x", "y", "y"])
    assert list(datasets.load(tmp_path / "a.npz").groups) == ["x", "x", "y", "y"]
    np.savez(tmp_path / "b.npz", **arrays, groups=["x", "y"])
    with pytest.raises(ValueError, match="a group for each of the 4 training samples"):
        datasets.load(tmp_path / "b.npz")
