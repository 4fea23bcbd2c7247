"""Seals: a damaged file of a trial is noticed; one of JSON is written again."""

import warnings

import pytest

from tests.tuners.persistence.damages import DAMAGES, flip
from tuners.persistence import json_files
from tuners.persistence.seals import NAME, DamagedFileError, seal, sealed_names, whole

TEXT, BYTES = '{"größe": 1.0}', bytes(range(256))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "search.json").write_text(TEXT, encoding="utf-8")
    (tmp_path / "weights.h5").write_bytes(BYTES)
    seal(tmp_path, ["stages/search.json", "weights.h5", "nothing"])
    return tmp_path


DAMAGES = {**DAMAGES, "a byte": flip(0.5), "a byte more": lambda path: path.write_bytes(path.read_bytes() + b"?")}


def test_what_is_whole_is_left_alone(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert whole(folder, "weights.h5").read_bytes() == BYTES
        assert whole(folder, "stages/search.json").read_text(encoding="utf-8") == TEXT
        assert whole(folder, "other") == folder / "other"  # which was never sealed
    assert sealed_names(folder) == ["stages/search.json", "weights.h5"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_json_is_written_again(damage, folder):
    DAMAGES[damage](folder / "stages" / "search.json")
    with pytest.warns(UserWarning, match=r"search.json cannot be used .*It is written again from files.json"):
        whole(folder, "stages/search.json")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert whole(folder, "stages/search.json").read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_cannot_be_written_again_is_named(damage, folder):
    DAMAGES[damage](folder / "weights.h5")
    with pytest.raises(DamagedFileError, match=r"weights.h5 cannot be used: .*Restore it from a copy, or train"):
        whole(folder, "weights.h5")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_seal_seals_nothing(damage, folder):
    """Nor one of before, which is of other files."""
    (folder / "weights.h5").write_bytes(b"new")
    seal(folder, ["weights.h5"])
    assert not json_files.previous(folder / NAME).exists()
    DAMAGES[damage](folder / NAME)
    (folder / "weights.h5").write_bytes(b"newer")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert whole(folder, "weights.h5").read_bytes() == b"newer"


def test_files_are_sealed_one_after_the_other(folder):
    (folder / "model.keras").write_bytes(b"model")
    seal(folder, ["model.keras"])
    assert sealed_names(folder) == ["stages/search.json", "weights.h5", "model.keras"]


def test_nothing_to_seal_is_no_seal(tmp_path):
    seal(tmp_path, ["nothing"])
    assert not list(tmp_path.iterdir())
