"""Labels in CSV files: what they are, how they are split, and what is said of those that are wrong."""

import numpy as np
import pytest

from kerasnas.datasets import load
from tests.kit import save_image

N = 20


def write(folder, header, rows):
    for index in range(N):
        save_image(folder / f"{index}.png", np.full((6, 8), 10 * index, "uint8"))
    lines = [",".join(header), *(",".join(map(str, row)) for row in rows)]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder / "labels.csv"


def test_names_are_classes(tmp_path):
    file = write(tmp_path, ["image", "kind"], [(f"{i}.png", "dog" if i % 2 else "cat") for i in range(N)])
    data = load(file)
    assert data.task.name == "classification" and data.classes == ("cat", "dog")
    assert len(data.x_train) == 16 and len(data.x_test) == 4
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert (np.rint(x[:, 0, 0, 0] * 255) // 10 % 2 == y).all()  # each image has its own label


def test_each_image_is_named_and_so_is_one_that_is_left_out(tmp_path):
    file = write(tmp_path, ["image", "kind"], [(f"{i}.png", i % 2) for i in range(N)])
    (tmp_path / "7.png").write_text("no image")
    data = load(file)
    for part in ("train", "test"):
        gray = np.rint(255 * getattr(data, f"x_{part}")[:, 0, 0, 0]).astype(int) // 10
        assert data.files[part] == tuple(f"{one}.png" for one in gray) == data.names(part)
    assert list(data.left_out) == ["7.png"] and "cannot be read" in data.left_out["7.png"]


def test_rows_of_texts_are_numbered_as_in_the_file(tmp_path):
    (tmp_path / "words.csv").write_text("text,kind\n" + "".join(f"word{i},{i % 2}\n" for i in range(N)))
    data = load(tmp_path / "words.csv")
    assert data.names("test") == tuple(f"row {2 + int(text[4:])}" for text in data.raw_test)


@pytest.mark.parametrize("suffix, separator", [("csv", ";"), ("csv", "\t"), ("tsv", "\t")])
def test_a_spreadsheet_of_any_language_is_a_table(tmp_path, suffix, separator):
    def table(name, separator, point):
        rows = [("x", "note", "price"), *((f"{i}{point}5", f"a{point}{i % 3}", i % 2) for i in range(N))]
        lines = [separator.join(f'"{value}"' for value in row) for row in rows]
        (tmp_path / name).write_text("\n".join(lines))
        return load(tmp_path / name, target=["price"])

    expected, data = table("rows.csv", ",", "."), table(f"own.{suffix}", separator, ",")
    np.testing.assert_array_equal(data.x_train, expected.x_train)
    assert data.classes == expected.classes


def test_class_numbers_are_in_their_order(tmp_path):
    file = write(tmp_path, ["image", "kind"], [(f"{i}.png", (2, 10, 1)[i % 3]) for i in range(N)])
    assert load(file).classes == ("1", "2", "10")


def test_several_columns_of_0_and_1_are_labels(tmp_path):
    file = write(tmp_path, ["path", "red", "big"], [(f"{i}.png", i % 2, int(i > 9)) for i in range(N)])
    data = load(file)
    assert data.task.name == "multilabel" and data.classes == ("red", "big") and data.y_train.dtype == np.float32
    gray = np.rint(data.x_train[:, 0, 0, 0] * 255) // 10
    assert (data.y_train == np.column_stack([gray % 2, gray > 9])).all()
    one = load(file, target=["big"], task="multilabel")
    assert one.classes == ("big",) and one.y_train.shape == (16, 1)


def test_numbers_are_standardized_by_the_training_data(tmp_path):
    rows = [(f"{i}.png", 100 + i / 2, "test" if i < 5 else "train") for i in range(N)]
    data = load(write(tmp_path, ["image", "angle", "split"], rows))
    assert data.task.name == "regression" and data.classes == ("angle",) and len(data.x_test) == 5
    assert data.y_train.mean() == pytest.approx(0, abs=1e-6) and data.y_train.std() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(data.task.raw(data.y_test)[:, 0], 100 + np.arange(5) / 2, rtol=1e-6)


def test_groups_are_not_split(tmp_path):
    rows = [(f"{i}.png", i % 2, f"g{i // 4}") for i in range(N)]
    data = load(write(tmp_path, ["image", "kind", "group"], rows))
    gray = np.rint(data.x_test[:, 0, 0, 0] * 255).astype(int) // 10
    assert not {f"g{i // 4}" for i in gray} & set(data.groups.tolist())


@pytest.mark.parametrize(
    ("header", "row", "options", "words"),
    [
        (["image", "angle"], ("{}.png", "0.5"), {"target": ["angel"]}, "Did you mean 'angle'"),
        (["image", "angle"], ("{}.png", ""), {}, "Column 'angle' has no value in row 2"),
        (["image", "angle"], ("x{}.png", "1"), {}, r"Row 2 names 'x0\.png'"),
        (["image", "a", "a"], ("{}.png", "1", "1"), {}, "distinct names"),
        (["image", "a"], ("{}.png", "1", "1"), {}, "Expected 2 values in each row. Received: 3 in row 2"),
        (["image"], ("{}.png",), {}, "column of labels beside 'image'"),
        (["image", "a"], ("{}.png", "one"), {"task": "regression"}, "Expected numbers in column 'a'.*'one'"),
        (["image", "a"], ("{}.png", "2"), {"task": "multilabel"}, "0 or 1 for each label"),
        (["image", "a", "b"], ("{}.png", "x", "y"), {}, "one column of classes"),
        (["image", "a", "split"], ("{}.png", "1", "dev"), {}, "`split`.*'dev'"),
        (["image", "a", "split"], ("{}.png", "0.5", "train"), {}, "train and test"),
        (["image", "a"], ("{}.png", "nan"), {"task": "regression"}, "Expected numbers in column 'a'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, header, row, options, words):
    rows = [tuple(value.format(index) for value in row) for index in range(N)]
    with pytest.raises(ValueError, match=words):
        load(write(tmp_path, header, rows), **options)


def test_a_file_that_is_no_table_is_refused(tmp_path):
    for content in (b"", b"image,a\n", b"\xff\xfe\x00", b'image,a\n"x'):
        (tmp_path / "labels.csv").write_bytes(content)
        with pytest.raises(ValueError, match=r"labels\.csv"):
            load(tmp_path / "labels.csv")
