"""Names of files and columns that say what belongs together are noticed; others are left alone."""

import numpy as np
import pytest

from kerasnas import datasets
from kerasnas.modalities.grouping import grouped_columns, grouped_files
from tests.kit import save_image


def of_two(pattern, owners=6, samples=4):
    """Class -> names, each owner in one of two classes."""
    files = {"a": [], "b": []}
    for owner in range(owners):
        files["ab"[owner % 2]] += [pattern.format(owner=owner, sample=sample) for sample in range(samples)]
    return files


@pytest.mark.parametrize(
    "pattern",
    ["patient_{owner}_{sample}.png", "Subject{owner:02d}-scan{sample}.tif", "img{sample}_speaker id {owner}.wav"],
)
def test_a_word_for_an_owner_with_a_number_is_a_hint(pattern):
    assert "belong together" in grouped_files(of_two(pattern)) and "<class>/<group>/" in grouped_files(of_two(pattern))


def test_speakers_who_say_several_words_are_a_hint():
    files = {word: [f"{who}_nohash_{n}.wav" for who in ("0a7c", "bb05", "c1d3") for n in range(2)] for word in "ab"}
    assert "belong together" in grouped_files(files)


@pytest.mark.parametrize(
    "files",
    [
        {"cat": [f"cat.{n}.jpg" for n in range(9)], "dog": [f"dog.{n}.jpg" for n in range(9)]},
        {"cat": [f"IMG_{n}.jpg" for n in range(9)], "dog": [f"IMG_{n}.jpg" for n in range(9, 18)]},
        {"cat": [f"{n:05d}.jpg" for n in range(9)], "dog": [f"{n:05d}.jpg" for n in range(9)]},
        {"day": list("abcdef"), "night": list("abcdef")},  # no numbers
        of_two("patient_{owner}_{sample}.png", samples=1),  # one sample each
        of_two("patient_{owner}_{sample}.png", owners=1),  # all of one
        {"a": ["patient_1.png", *"bcdefghi"], "b": ["patient_1_2.png", *"jklmnopq"]},  # two by chance
    ],
)
def test_usual_names_are_none(files):
    assert grouped_files(files) == ""


def test_columns_of_owners_are_a_hint_and_others_are_none():
    twice = ["1", "1", "2", "2"]
    for name in ("patient", "Speaker_ID", "subject number"):
        assert f"'{name}'" in grouped_columns({"age": ["3", "4", "3", "4"], name: twice})
    assert grouped_columns({"patients_age": twice, "usergroup": twice, "site": ["1", "2", "3", "4"]}) == ""


def test_the_hint_is_in_the_notes_of_what_is_loaded_unless_there_are_groups(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (24, 8, 8), dtype=np.uint8)
    for index, (label, name) in enumerate(
        (a, b) for a, files in of_two("patient{owner}_{sample}.png").items() for b in files
    ):
        for place in (tmp_path / "flat" / label, tmp_path / "grouped" / label / name.split("_")[0]):
            save_image(place / name, pixels[index])
    assert any("belong together" in note for note in datasets.load(str(tmp_path / "flat")).notes)
    assert not any("belong together" in note for note in datasets.load(str(tmp_path / "grouped")).notes)
    rows = "\n".join(f"{row % 3},{row % 5},{row // 4},{'ab'[row % 2]}" for row in range(40))
    for name, said in (("patient", True), ("group", False), ("weight", False)):
        (tmp_path / "rows.csv").write_text(f"x,z,{name},label\n{rows}")
        notes = datasets.load(str(tmp_path / "rows.csv")).notes
        assert any("belong together" in note for note in notes) == said
