"""What may be done to images: told from a network that has not seen it done."""

import numpy as np
import pytest

from kerasnas.racing.symmetries import SYMMETRIES, found, kept_accuracies

Y = np.arange(300) % 3
X = np.random.default_rng(0).random((300, 6, 6, 1)).astype("float32") * 0.5
for label in range(3):
    X[label == Y, 2 * label, label * 2] = 2.0  # a bright pixel on the diagonal: its place is the class


DATA = X, Y


def by_place(x, y):
    return np.argmax(x.reshape(len(x), -1), axis=1) == 14 * y


TURNS = [name for name in SYMMETRIES if name != "zoom"]  # as these images are too small


def kept_of(scores, known=DATA, held_out=DATA, level=1 / 3, names=TURNS):
    return kept_accuracies(scores, lambda *labels: level, known, held_out, names)


def test_shares_are_of_the_accuracy_above_chance():
    kept = kept_of(by_place)
    # The middle pixel of three does not move, or moves elsewhere: nothing is right after a flip.
    assert kept == {name: pytest.approx(-0.5) for name in TURNS}
    assert kept_of(lambda x, y: by_place(np.swapaxes(x, 1, 2), y)) == kept


def test_what_does_not_matter_keeps_all():
    brightness = (X + 0.1 * Y[:, None, None, None]).astype("float32")
    levels = [brightness[label == Y].mean() for label in range(3)]

    def nearest(x, y):
        return np.argmin(abs(x.mean(axis=(1, 2, 3))[:, None] - np.array(levels)), axis=1) == y

    kept = kept_of(nearest, (brightness, Y), (brightness, Y), names=SYMMETRIES)
    assert all(share == pytest.approx(1.0) for share in kept.values())
    assert found(kept) == tuple(SYMMETRIES)


@pytest.mark.parametrize(
    ("held", "share"),
    [
        (0.9, (0.75 * 0.4 + 0.25 * 0.1) / 0.7),  # 0.2 is chance
        (0.2, (0.75 * 0.4 + 0.25 * 0.1) / 0.32),  # of others it knows nothing: 0.4 of what it knows of the known ones
    ],
)
def test_all_images_are_transformed_and_compared_with_those_held_out(held, share):
    """Each image holds whether it is right, as a whole and mirrored: its left and its right pixel."""

    def part(number, whole, mirrored):
        right = [np.arange(number) < number * of for of in (whole, mirrored)]
        return np.stack(right, 1)[:, None, :, None].astype(float), np.arange(number), np.ones(number)

    def scores(x, *rest):
        assert [len(one) for one in rest] == [len(x), len(x)]  # weights, too
        return x[:, 0, 0, 0] == 1

    kept = kept_of(scores, part(300, 1.0, 0.6), part(100, held, 0.3), 0.2)
    assert kept["flip"] == pytest.approx(share)


@pytest.mark.parametrize(
    ("below", "above", "scores"),
    [
        (140, 142, lambda number: np.arange(300) < number),  # hits, whose deviation is that of chance: 0.469 of 300
        (0.361, 0.363, lambda mean: mean + 0.1 * (-1) ** np.arange(300)),  # scores, whose own it is: 0.362
    ],
)
def test_of_a_network_less_than_five_standard_errors_above_chance_nothing_is_told(below, above, scores):
    assert kept_of(lambda x, y: scores(below)) == {}
    assert kept_of(lambda x, y: scores(above)) != {}


def test_where_the_size_is_the_class_nothing_is_enlarged():
    x, y = np.zeros((60, 20, 20, 1), "float32"), np.arange(60) % 3
    for label, side in enumerate((7, 8, 9)):  # at the center; as large as the next ones, enlarged
        x[y == label, 10 - side // 2 : 10 - side // 2 + side, 10 - side // 2 : 10 - side // 2 + side] = 1

    def by_size(x, y):
        return np.rint(np.sqrt(x.sum(axis=(1, 2, 3)))) - 7 == y

    kept = kept_of(by_size, (x, y), (x, y), names=SYMMETRIES)
    assert kept["zoom"] == pytest.approx(-0.5) and found(kept) == tuple(TURNS)


def test_scores_may_be_below_zero_as_those_of_errors():
    """Numbers told by the mean of an image: 0 is best, and who has learned nothing is 4 off."""
    kept = kept_of(lambda x, y: -abs(x.mean(axis=(1, 2, 3)) - X.mean(axis=(1, 2, 3))), level=-4.0)
    assert all(share == pytest.approx(1.0) for share in kept.values())


def test_where_all_samples_are_of_one_class_nothing_is_told():
    assert kept_of(lambda x, y: np.ones(len(x), bool), (X, np.zeros(len(X), int)), level=1.0) == {}


def test_oblong_images_have_no_quarter_turns():
    assert "rotate" not in kept_of(lambda x, y: np.ones(len(x), bool), (X[:, :4], Y))
