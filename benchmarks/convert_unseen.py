"""Make a set of NAS Unseen Data anew, from files of one's own.

    python benchmarks/convert_unseen.py language WORDS language.npz
    python benchmarks/convert_unseen.py multnist digits.npz multnist.npz --train=5000 --test=2000

Sets for which no one knows the right network, made after their published descriptions, smaller than the originals
(45,000 + 15,000 + 10,000), with a test part of other digits, images, words, texts or games than the training part:

- `addnist`, `multnist`: three digits in three channels; the label is their sum, of 1 to 20, less one, or their product
  modulo 10;
- `cifartile`: four images in a square; the label is the number of different classes less one;
- `language`: WORDS is a folder with a list of words for each language, one a line, in UTF-8 or Latin-1; four words of
  six letters, without diacritics, y and z, are 24 one-hot rows of 24 letters; the label is the language;
- `gutenberg`: a folder with a text for each author; three words in a row of three to six letters, filled up to six, are
  18 one-hot columns of 27 signs; the label is the author;
- `chesseract`: a folder of `.pgn` files of games (`pip install chess`); a board of the last 15 % of the moves of each
  is 12 planes of 8x8, one for each kind of piece; the label is whether white loses, draws or wins, each as often.

And five sets of our own, of images of ten classes, which no network was designed on:

- `alike`: two images side by side; the label is whether they are of one class;
- `difference`: two images side by side; the label is the difference of their classes, modulo 10;
- `largest`: four images in four channels; the label is the largest of their classes;
- `odd`: nine images in a square, of half the size; the label is the place of the one that is of another class;
- `count`: nine images in a square, of half the size; the label is how many are of the first class.

Digits and images are an archive of arrays `x_train`, `y_train`, `x_test` and `y_test`, or `x`, `y` and `split`, whose
last part is for testing. `python benchmarks/value.py FOLDER --sets=language` then measures races on the set.

Reference:
    Geada et al., "Insights from the Use of Previously Unseen Neural Architecture Search Datasets", CVPR 2024.
"""

from __future__ import annotations

import re
import string
import sys
import unicodedata
from pathlib import Path

import numpy as np
import skeleton
import value

LETTERS = [letter for letter in string.ascii_lowercase if letter not in "yz"]
SIGNS = [*string.ascii_lowercase, "_"]
CLASSES = 10  # of the images that others are composed of
HELD_OUT = 0.2  # of words, texts and games, for the test part
LAST = 0.15  # share of the moves that the board of a game is drawn from
RESULTS = ("0-1", "1/2-1/2", "1-0")


def digits(file, numbers, rng, label, classes):
    """Return parts of images with a digit in each of three channels, whose label, of so many, is made of theirs."""
    arrays, parts = value.load(file.parent, file.stem), []
    for (x, y), number in zip((arrays[:2], arrays[2:]), numbers, strict=True):
        rows = rng.integers(len(x), size=(2 * number, 3))  # few sums are no label
        rows = rows[(label(y[rows]) >= 0) & (label(y[rows]) < classes)][:number]
        images = np.concatenate([x[rows[:, channel], ..., :1] for channel in range(3)], axis=-1)
        parts.append((images, label(y[rows])))
    return parts


def composed(file, numbers, rng, classes, join):
    """Return parts of images that are composed of several.

    Args:
        classes: of a number of samples and a generator, the classes of their images `(samples, images)` and the labels.
        join: of images `(samples, images, rows, columns, channels)`, the composed ones.
    """
    arrays, parts = value.load(file.parent, file.stem), []
    for (x, y), number in zip((arrays[:2], arrays[2:]), numbers, strict=True):
        of_class = [np.flatnonzero(y == one) for one in range(y.max() + 1)]
        drawn, labels = classes(number, rng)
        rows = [[rng.choice(of_class[one]) for one in sample] for sample in drawn]
        parts.append((join(x[np.array(rows)]), labels))
    return parts


def beside(images, columns):
    """Return images side by side, so many in a row."""
    number, each, height, width, channels = images.shape
    grid = images.reshape(number, each // columns, columns, height, width, channels).swapaxes(2, 3)
    return grid.reshape(number, each // columns * height, columns * width, channels)


def halved(images):
    """Return images of half the size, of means of two by two pixels."""
    *many, height, width, channels = images.shape
    return images.reshape(*many, height // 2, 2, width // 2, 2, channels).mean((-4, -2)).astype("uint8")


def tiles(number, rng):
    """Classes of four images each, of which so many are different as the label says, less one."""
    labels, samples = rng.integers(4, size=number), []
    for label in labels:
        classes = rng.choice(CLASSES, label + 1, replace=False)
        samples.append(rng.permutation([*classes, *rng.choice(classes, 3 - label)]))
    return np.array(samples), labels


def alike(number, rng):
    left, labels = rng.integers(CLASSES, size=number), rng.integers(2, size=number)
    right = np.where(labels, left, left + rng.integers(1, CLASSES, size=number))
    return np.stack([left, right % CLASSES], axis=1), labels


def difference(number, rng):
    classes = rng.integers(CLASSES, size=(number, 2))
    return classes, (classes[:, 0] - classes[:, 1]) % CLASSES


def largest(number, rng):
    classes = rng.integers(CLASSES, size=(number, 4))
    return classes, classes.max(axis=1)


def odd(number, rng):
    usual, places = rng.integers(CLASSES, size=(number, 1)), rng.integers(9, size=number)
    other = usual + rng.integers(1, CLASSES, size=(number, 1))
    return np.where(np.arange(9) == places[:, None], other, usual) % CLASSES, places


def count(number, rng):
    labels = rng.integers(10, size=number)
    first = rng.permuted(np.arange(9) < labels[:, None], axis=1)
    return np.where(first, 0, rng.integers(1, CLASSES, size=(number, 9))), labels


def read(path):
    """Return the words of a file in lower case, without diacritics, in their order."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.findall(r"[^\s]+", plain)


def one_hot(texts, signs):
    """Return images `(samples, positions, signs, 1)` of texts of one length."""
    codes = np.array([[signs.index(sign) for sign in text] for text in texts])
    return 255 * np.eye(len(signs), dtype="uint8")[codes][..., None]


def language(folder, numbers, rng):
    """Return parts of images of four words of a language."""
    lists = []
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        words = sorted({word for word in read(path) if len(word) == 6 and set(word) <= set(LETTERS)})
        lists.append(np.split(rng.permutation(words), [round(HELD_OUT * len(words))])[::-1])
    parts = []
    for part, number in enumerate(numbers):
        labels = rng.integers(len(lists), size=number)
        texts = ["".join(rng.choice(lists[label][part], 4)) for label in labels]
        parts.append((one_hot(texts, LETTERS), labels))
    return parts


def gutenberg(folder, numbers, rng):
    """Return parts of images of three words that an author wrote in a row; the test part is the end of each text."""
    found = []
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        words = [word.strip(string.punctuation) for word in read(path)]
        rows = [words[start : start + 3] for start in range(0, len(words) - 2, 3)]
        fitting = [row for row in rows if all(3 <= len(word) <= 6 and word.isalpha() for word in row)]
        end = round((1 - HELD_OUT) * len(fitting))
        found.append((fitting[:end], fitting[end:]))
    parts = []
    for part, number in enumerate(numbers):
        labels, texts = rng.integers(len(found), size=number), np.empty(number, dtype="U18")
        for label, rows in enumerate(one[part] for one in found):
            own = np.flatnonzero(labels == label)
            if len(own) > len(rows):
                sys.exit(f"Text {label + 1} has {len(rows)} such rows for its part of {number}. Give a longer text.")
            chosen = rng.permutation(len(rows))[: len(own)]  # each once: none is in what a race holds out as well
            texts[own] = ["".join(word.ljust(6, "_") for word in rows[row]) for row in chosen]
        images = one_hot(texts, SIGNS)
        parts.append((images.swapaxes(1, 2), labels))
    return parts


def games(folder):
    """Yield the boards of the end of each game, as planes, and its result as a label."""
    import chess.pgn

    for path in sorted(folder.glob("*.pgn")):
        with path.open(encoding="utf-8", errors="replace") as file:
            while (game := chess.pgn.read_game(file)) is not None:
                result, moves, board = game.headers.get("Result"), list(game.mainline_moves()), game.board()
                if result not in RESULTS or not moves:
                    continue
                boards, ending = [], int((1 - LAST) * len(moves))
                for index, move in enumerate(moves):
                    board.push(move)
                    if index >= ending:
                        boards.append(planes(board))
                yield boards, RESULTS.index(result)


def planes(board):
    """Return a board `(8, 8, 12)`, white's first row the last one: pawn to king of white, then of black."""
    found = np.zeros((8, 8, 12), "uint8")
    for square, piece in board.piece_map().items():
        found[7 - square // 8, square % 8, piece.piece_type - 1 + 6 * (not piece.color)] = 255
    return found


def chesseract(folder, numbers, rng):
    """Return parts of boards, each result as often; the test part is of other games."""
    drawn = [(boards[rng.integers(len(boards))], label) for boards, label in games(folder)]  # two would be alike
    order, parts = rng.permutation(len(drawn)), []
    for rows, number in zip(np.split(order, [round((1 - HELD_OUT) * len(order))]), numbers, strict=True):
        boards = [drawn[row] for row in rows]
        labels, each = np.array([label for _, label in boards], int), -(-number // len(RESULTS))
        least = np.bincount(labels, minlength=len(RESULTS)).min()
        if least < each:
            sys.exit(f"Of the rarest result are {least} boards, {each} needed for a part of {number}. Give more games.")
        chosen = np.concatenate([np.flatnonzero(labels == label)[:each] for label in range(len(RESULTS))])
        chosen = rng.permutation(chosen)[:number]
        parts.append((np.stack([boards[row][0] for row in chosen]), labels[chosen]))
    return parts


SETS = {
    "addnist": lambda *given: digits(*given, lambda y: y.sum(axis=1) - 1, 20),
    "multnist": lambda *given: digits(*given, lambda y: y.prod(axis=1) % 10, 10),
    "cifartile": lambda *given: composed(*given, tiles, lambda images: beside(images, 2)),
    "alike": lambda *given: composed(*given, alike, lambda images: beside(images, 2)),
    "difference": lambda *given: composed(*given, difference, lambda images: beside(images, 2)),
    "largest": lambda *given: composed(*given, largest, lambda images: np.concatenate([*images.swapaxes(0, 1)], -1)),
    "odd": lambda *given: composed(*given, odd, lambda images: beside(halved(images), 3)),
    "count": lambda *given: composed(*given, count, lambda images: beside(halved(images), 3)),
    "language": language,
    "gutenberg": gutenberg,
    "chesseract": chesseract,
}


def make(name, source, train, test, seed=0):
    """Return the arrays of a set, by name."""
    (x, y), (x_test, y_test) = SETS[name](Path(source), (train, test), np.random.default_rng(seed))
    return {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}


def main():
    words = {"set": {"choices": tuple(SETS)}, "train": 5000, "test": 2000, "seed": 0}
    arguments = skeleton.arguments(__doc__, "set", "source", "output", record=False, **words)
    arrays = make(arguments.set, arguments.source, arguments.train, arguments.test, arguments.seed)
    np.savez_compressed(arguments.output, **arrays)


if __name__ == "__main__":
    main()
