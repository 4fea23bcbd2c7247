"""Splits of samples by their classes, and of whole groups."""

import numpy as np
import pytest

from kerasnas import datasets
from kerasnas.tasks.splits import grouped_split, stratified_split
from tests.kit import save_image

RNG = np.random.default_rng(0)
GROUPS = np.repeat(np.arange(20), RNG.integers(5, 30, 20))
Y = RNG.integers(0, 4, len(GROUPS))


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5, 0.57, 0.9])
def test_split_keeps_the_proportion_of_every_class(fraction):
    y = np.random.default_rng(0).permutation(np.repeat([3, 5, 11, 12], [100, 50, 7, 2]))
    first, second = stratified_split(y, fraction, seed=4)
    np.testing.assert_array_equal(np.sort(np.concatenate([first, second])), np.arange(len(y)))
    assert (np.diff(first) > 0).all() and (np.diff(second) > 0).all()
    for label, count in ((3, 100), (5, 50), (11, 7), (12, 2)):
        taken = (y[second] == label).sum()
        assert 1 <= taken <= count - 1
        assert abs(taken - fraction * count) <= 1
    np.testing.assert_array_equal(stratified_split(y, fraction, seed=4)[1], second)
    assert not np.array_equal(stratified_split(y, fraction, seed=5)[1], second)


def test_split_has_the_right_total():
    y = np.repeat(np.arange(10), 5)
    first, second = stratified_split(y, 0.5, seed=0)
    assert len(first) == len(second) == 25
    assert set(np.bincount(y[second])) == {2, 3}
    assert len(stratified_split(np.repeat([0, 1], 100), 0.57, seed=0)[1]) == 114


def test_split_of_rare_classes():
    y = np.array([0, 1, 1, 2, 2])
    first, second = stratified_split(y, 0.01, seed=0)
    assert y[first].tolist() == [0, 1, 2] and y[second].tolist() == [1, 2]
    first, second = stratified_split(y, 0.99, seed=0)
    assert y[first].tolist() == [0, 1, 2]


@pytest.mark.parametrize("fraction", [0, 1, 0.0, 1.0, -0.2, 1.5, 20, True, None, "0.5", float("nan")])
def test_split_refuses_a_fraction_outside(fraction):
    with pytest.raises(
        ValueError, match=r"`fraction`, or `validation_split`. Expected a number .* between 0 and 1.*Received: "
    ):
        stratified_split([0, 0, 1, 1], fraction, seed=0)
    with pytest.raises((TypeError, ValueError), match="`fraction`"):
        grouped_split([0, 1, 0, 1], [0, 0, 1, 1], fraction, seed=0)


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
    ("split", "given", "message"),
    [
        (stratified_split, ([0, 1, 2],), "at least one class with two samples.*3 samples of 3 classes"),
        (stratified_split, ([],), "0 samples of 0 classes"),
        (stratified_split, (np.eye(2),), r"Received: shape \(2, 2\)"),
        (grouped_split, ([0, 1], [0, 0]), "at least two groups"),
        (grouped_split, ([0, 1], [0, 1]), "every class is in at least two"),
        (grouped_split, ([0, 1], [0]), "a group for each of the 2 labels"),
    ],
)
def test_what_cannot_be_split_is_refused(split, given, message):
    with pytest.raises(ValueError, match=message):
        split(*given, 0.5, seed=0)


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
