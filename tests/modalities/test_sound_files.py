"""Folders and tables of `.wav` files as recordings of one rate and length, and new files as the network takes them."""

import sys

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile

from kerasnas.datasets import load
from kerasnas.files import untrusted
from kerasnas.modalities import sound_files
from kerasnas.modalities.base import Reading
from kerasnas.modalities.recordings import Recordings

RATE, OURS = 8000, Recordings(8000, 880)
KINDS = {"<i2": (2**15 - 1, 0), "<i4": (2**31 - 1, 0), "<f4": (1.0, 0), "u1": (127, 128)}


def write(path, tone=500, steps=800, rate=RATE, kind="<i2", channels=1):
    """Write a tone in the first channel; the others are silent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    factor, zero = KINDS[kind]
    wave = 0.5 * np.sin(2 * np.pi * tone * np.arange(steps) / rate)
    values = np.column_stack([wave, *[0 * wave] * (channels - 1)]) if channels > 1 else wave
    wavfile.write(path, rate, (factor * values + zero).astype(kind))
    return str(path)


@pytest.fixture
def folder(tmp_path):
    for label, tone in (("high", 900), ("low", 300)):
        for number in range(10):
            write(tmp_path / "words" / label / f"{number}.wav", tone, 800 + 10 * number)
    return tmp_path / "words"


def test_a_folder_of_classes_is_recordings_of_one_length_whose_files_are_named(folder):
    data = load(folder)
    assert data.modality == OURS and data.classes == ("high", "low") and data.raw_shape == (880,)
    assert data.notes[0] == "Found 20 recordings, 2 classes, 0.10..0.11 s -> 0.11 s, 880 samples at 8,000 a second"
    assert "16 recordings are shorter than 0.11 s, and end in silence; 2 are cut" in data.notes
    names = {f"{label}/{number}.wav" for label in data.classes for number in range(10)}
    assert {*data.names("train"), *data.names("test")} == names
    (folder / "files.csv").write_text("\n".join(["recording,label", *(f"{name},{name[:3]}" for name in names)]))
    assert load(folder / "files.csv").modality == OURS
    (folder / "files.csv").unlink()
    first = data.raw("train")[data.names("train").index("high/0.wav")]
    assert np.abs(first[:800]).max() == pytest.approx(0.5, abs=0.01) and not first[800:].any()
    assert load(folder, modality=Recordings(4000, 500)).raw_shape == (500,)
    write(folder / "low" / "fast.wav", steps=1600, rate=2 * RATE)
    write(folder / "high" / "long.wav", steps=80_000)
    notes = load(folder).notes
    assert "1 of 22 recordings are resampled: low/fast.wav has 16,000 samples a second, most 8,000" in notes
    assert any("Cut long ones into pieces" in note for note in notes)


@pytest.mark.parametrize("kind, near", [("flac", 1e-3), ("mp3", 0.1), ("ogg", 0.1)])
def test_compressed_files_are_read_as_others(tmp_path, monkeypatch, kind, near):
    rate, values = wavfile.read(write(tmp_path / "wanted.wav"))
    soundfile.write(tmp_path / f"own.{kind}", np.column_stack([values, values]) / 2**15, rate)
    wanted, found = OURS.queries([str(tmp_path / name) for name in ("wanted.wav", f"own.{kind}")], Reading())
    np.testing.assert_allclose(found, wanted, atol=near)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ValueError, match=rf"own\.{kind} cannot be read.*pip install 'kerasnas\[sound\]'"):
        sound_files.read_sounds([tmp_path / f"own.{kind}"], tmp_path)


def test_a_compressed_file_that_does_not_fit_into_memory_is_not_decoded(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "silence.flac", np.zeros((100_000, 2)), RATE)
    monkeypatch.setattr(untrusted, "memory", lambda: 2**20)
    with pytest.raises(ValueError, match=r"silence\.flac cannot be read as a recording: .*Cut it into pieces"):
        sound_files.read_sounds([tmp_path / "silence.flac"], tmp_path)


def test_compressed_files_take_more_memory_than_others_of_their_size(tmp_path, monkeypatch):
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 40 * RATE)
    paths = [tmp_path / f"noise.{kind}" for kind in ("wav", "MP3")]
    for path in paths:
        soundfile.write(path, wave, RATE)
        memory = 50 * path.stat().st_size
        monkeypatch.setattr(untrusted, "memory", lambda memory=memory: memory)
        if path.suffix == ".wav":
            assert sound_files.read_sounds([path], tmp_path).samples.shape == (1, len(wave))
            continue
        with pytest.raises(ValueError, match=r"Expected recordings that fit into 0\.0 GiB\. Received: 1 of about"):
            sound_files.read_sounds([path], tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_file_is_brought_to_the_rate_and_length_of_the_network(tmp_path, kind):
    wanted = OURS.queries(write(tmp_path / "wanted.wav"), Reading())[0]
    fast = write(tmp_path / "fast.wav", steps=2000, rate=2 * RATE, kind=kind)
    stereo = write(tmp_path / "stereo.wav", kind=kind, channels=2)
    samples = OURS.queries([fast, stereo], Reading())
    np.testing.assert_allclose(samples[0, 50:750], wanted[50:750], atol=0.02)
    np.testing.assert_allclose(2 * samples[1], wanted, atol=0.02)


def test_what_is_no_sound_is_left_out_with_its_reason(folder):
    wavfile.write(folder / "low" / "short.wav", RATE, np.zeros(1, "int16"))
    with pytest.raises(ValueError, match=r"short\.wav cannot be read as a recording: It has 1 samples"):
        OURS.queries(str(folder), Reading())
    assert load(folder).left_out.keys() == {"low/short.wav"}
    bad = {"empty": b"", "text": b"hello", "half": (folder / "low" / "0.wav").read_bytes()[:900]}
    for name, content in bad.items():
        (folder / "low" / f"{name}.wav").write_bytes(content)
    wavfile.write(folder / "low" / "nan.wav", RATE, np.full(800, np.nan, "float32"))
    wavfile.write(folder / "low" / "rate.wav", 100, np.zeros(800, "int16"))
    _, samples, failed = Recordings().from_paths([folder], Reading())
    assert len(samples) == 20 and {path.stem for path in failed} == {*bad, "short", "rate", "nan"}
    with pytest.raises(ValueError, match=r"6 of 26 files are left out.*Recordings are \.wav, \.wave, .* files"):
        load(folder)
