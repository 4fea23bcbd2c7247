"""Sets of NAS Unseen Data, made anew from small files."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def unseen(benchmark_script):
    return benchmark_script("convert_unseen")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of one shade, which is their class; those of the test part are brighter by 100."""
    y = np.arange(10)
    x = np.broadcast_to(y[:, None, None, None], (10, 4, 4, 1)).astype("uint8")
    file = tmp_path_factory.mktemp("pictures") / "shades.npz"
    np.savez(file, x_train=x, y_train=y, x_test=x + 100, y_test=y)
    return file


@pytest.mark.parametrize(
    ("name", "label"),
    [("addnist", lambda shades: shades.sum(axis=1) - 1), ("multnist", lambda shades: shades.prod(axis=1) % 10)],
)
def test_digits_in_channels_make_the_label(name, label, unseen, pictures):
    arrays = unseen.make(name, pictures, train=200, test=30)
    assert arrays["x_train"].shape == (200, 4, 4, 3) and arrays["x_test"].shape == (30, 4, 4, 3)
    for part, base in (("train", 0), ("test", 100)):  # of the other images
        shades = arrays[f"x_{part}"][:, 0, 0].astype(int) - base
        np.testing.assert_array_equal(label(shades), arrays[f"y_{part}"])
    assert arrays["y_train"].min() >= 0 and len(set(arrays["y_train"])) > 5


@pytest.mark.parametrize(
    ("name", "labels", "places", "label"),
    [
        ("cifartile", range(4), (slice(None, None, 4), slice(None, None, 4)), lambda four: len(set(four)) - 1),
        ("alike", range(2), (0, slice(None, None, 4)), lambda two: two[0] == two[1]),
        ("difference", range(10), (0, slice(None, None, 4)), lambda two: (two[0] - two[1]) % 10),
        ("largest", range(3, 10), (0, 0), max),
        (
            "odd",
            range(9),
            (slice(None, None, 2), slice(None, None, 2)),
            lambda nine: np.argmin([(nine == one).sum() for one in nine]),
        ),
        ("count", range(10), (slice(None, None, 2), slice(None, None, 2)), lambda nine: (nine == 0).sum()),
    ],
)
def test_the_images_that_one_is_composed_of_make_the_label(name, labels, places, label, unseen, pictures):
    arrays = unseen.make(name, pictures, train=100, test=30)
    for part, base in (("train", 0), ("test", 100)):
        shades = arrays[f"x_{part}"][:, *places].reshape(len(arrays[f"y_{part}"]), -1).astype(int) - base
        assert set(shades.ravel()) == set(range(10))
        np.testing.assert_array_equal([label(one) for one in shades], arrays[f"y_{part}"])
    assert sorted(set(arrays["y_train"])) == sorted(labels)


def test_words_are_one_hot_rows_of_letters(unseen, tmp_path):
    (tmp_path / "a.txt").write_text("Garden\nbanana\nlong-words\nfuzzyx\ngarten\nhérons\n", encoding="utf-8")
    (tmp_path / "b.txt").write_bytes("müssen\nfremde\nkinder\nwagens\n".encode("latin-1"))
    arrays = unseen.make("language", tmp_path, train=50, test=20)
    x = arrays["x_train"]
    assert x.shape == (50, 24, 24, 1) and set(np.unique(x)) == {0, 255} and (x.sum(axis=2) == 255).all()
    seen = {}
    for part in ("train", "test"):
        texts = [
            "".join(unseen.LETTERS[code] for code in image.argmax(axis=1).ravel()) for image in arrays[f"x_{part}"]
        ]
        seen[part] = {text[at : at + 6] for text in texts for at in range(0, 24, 6)}
    assert seen["train"] | seen["test"] == {
        *["garden", "banana", "garten", "herons"],
        *["mussen", "fremde", "kinder", "wagens"],
    }
    assert not seen["train"] & seen["test"]


def test_three_words_of_an_author_are_columns(unseen, tmp_path):
    (tmp_path / "a.txt").write_text("The old cat saw one fish. " * 20, encoding="utf-8")
    (tmp_path / "b.txt").write_text(
        "Never mind that, extraordinary things follow soon again today. " * 20, encoding="utf-8"
    )
    arrays = unseen.make("gutenberg", tmp_path, train=30, test=10)
    x, y = arrays["x_train"], arrays["y_train"]
    assert x.shape == (30, 27, 18, 1) and (x.sum(axis=1) == 255).all()
    texts = ["".join(unseen.SIGNS[code] for code in image.argmax(axis=0).ravel()) for image in x]
    found = set(zip(texts, y, strict=True))
    assert found == {
        ("the___old___cat___", 0),
        ("saw___one___fish__", 0),
        ("never_mind__that__", 1),
        ("soon__again_today_", 1),
    }


def test_boards_are_planes_of_the_end_of_a_game_and_say_who_won(unseen, tmp_path):
    moves = "1. f3 e5 2. g4 Qh4#"  # the fewest there are; a half of them is no part of the last 15 %
    for name, result in (("a", "0-1"), ("b", "1/2-1/2"), ("c", "1-0"), ("d", "*")):
        (tmp_path / f"{name}.pgn").write_text(f'[Result "{result}"]\n\n{moves} {result}\n\n' * 10)
    arrays = unseen.make("chesseract", tmp_path, train=12, test=3)
    x, y = arrays["x_train"], arrays["y_train"]
    assert x.shape == (12, 8, 8, 12)
    assert np.bincount(y).tolist() == [4, 4, 4] and np.bincount(arrays["y_test"]).tolist() == [1, 1, 1]
    white, black = x[0, ..., :6] // 255, x[0, ..., 6:] // 255
    assert white.sum(axis=(0, 1)).tolist() == black.sum(axis=(0, 1)).tolist() == [8, 2, 2, 2, 1, 1]
    assert white[5, 5, 0] == white[4, 6, 0] == white[7, 4, 5] == 1  # pawns on f3 and g4, the king on e1
    assert black[3, 4, 0] == black[4, 7, 4] == 1 and not black[0, 3].any()  # a pawn on e5, the queen on h4
    with pytest.raises(SystemExit, match="Of the rarest result are 7 boards, 9 needed"):
        unseen.make("chesseract", tmp_path, train=27, test=3)
