"""Files of strangers: what they claim is checked before memory is taken, and nothing in them is run."""

import ast
import json
import re
import subprocess
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

import kerasnas
from kerasnas import datasets
from kerasnas.files import untrusted
from kerasnas.modalities.decoding import read_image
from kerasnas.networks.saved import read_model
from tests.file_formats import npy_header

SOURCES = sorted(Path(kerasnas.__file__).parent.rglob("*.py"))


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def refused(read, *arguments):
    """The words of an error, for which next to no memory was taken."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as error:
            read(*arguments)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value) and len(str(error.value)) < 600
    return str(error.value)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("(1000000, 500000)", "1,862.6 GiB, and the file has 400 bytes of it"),
        (f"({10**60},)", "more than 2**63 bytes"),
        ("(-5,)", "shape (-5,)"),
        ("(99,)", "396 bytes, and the file has 400 bytes of it"),
    ],
)
def test_an_array_that_claims_more_than_the_file_holds_is_refused_before_memory_is_taken(tmp_path, shape, words):
    path = archive(tmp_path / "data.npz", {"x_train.npy": npy_header(shape) + bytes(400)})
    assert words in refused(untrusted.read_arrays, path)
    message = refused(datasets.load, path)
    assert words in message and "data.npz" in message and "'x_train'" in message


def test_a_bomb_of_zeros_is_refused_by_what_it_would_take(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "memory", lambda: 10_000_000)
    path = tmp_path / "data.npz"
    np.savez_compressed(path, x=np.zeros(1_000_000, "uint8"), y=np.zeros(4_500_000, "uint8"))
    assert path.stat().st_size < 20_000
    assert "Its arrays take 5,500,000 bytes, and this machine has 10,000,000" in refused(untrusted.read_arrays, path)
    model = archive(tmp_path / "model.keras", {"config.json": bytes(6_000_000)})
    assert "It holds 6,000,000 bytes" in refused(read_model, model)
    monkeypatch.setattr(untrusted, "memory", lambda: 12_000_000)
    assert untrusted.read_arrays(path)["y"].shape == (4_500_000,)


def test_a_model_that_needs_more_weights_than_its_file_has_is_refused(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dropout(0.5)]).save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    assert read_model(archive(tmp_path / "b.keras", members)).count_params() == 15
    members["config.json"] = members["config.json"].replace(b'"units": 3', b'"units": 1000000000')
    words = refused(read_model, archive(tmp_path / "b.keras", members))
    assert re.search(r"its layers have 5,000,000,00\d weights, and the file has [\d,]+ bytes of them", words)
    with pytest.MonkeyPatch.context() as patch, keras.StatelessScope():  # at its end, waiting variables get values
        patch.setattr(keras.Variable, "_deferred_initialize", lambda variable: pytest.fail("20 GB are taken"))


def test_a_member_that_lies_about_its_size_is_no_array(tmp_path):
    path = archive(tmp_path / "data.npz", {"x.npy": npy_header("(100,)") + bytes(400)})
    content = path.read_bytes()
    with zipfile.ZipFile(path) as opened:
        size = opened.infolist()[0].file_size
    assert content.count(size.to_bytes(4, "little")) == 2  # in two headers
    content = content.replace(size.to_bytes(4, "little"), (size - 100).to_bytes(4, "little"))
    (tmp_path / "lying.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"Expected whole arrays of numbers.*Bad CRC-32"):
        untrusted.read_arrays(tmp_path / "lying.npz")


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "9" * 10_000, b"\xff\xfe", "", "nul", "[1, 2"])
def test_a_text_that_is_no_json_is_a_value_error(text):
    assert "\n" not in refused(untrusted.parse_json, text)


def test_json_of_another_kind_is_named(tmp_path):
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"a.json is malformed: Expected JSON of an object. Received: list"):
        untrusted.read_json(tmp_path / "a.json")
    assert untrusted.read_json(tmp_path / "a.json", list) == [1]
    with pytest.raises(ValueError, match="Expected at most 2"):
        untrusted.read_text(tmp_path / "a.json", 2)


def test_no_ghostscript_for_an_image_that_is_none(tmp_path, monkeypatch):
    """A `.png` that holds EPS, a PDF, a font or a video: decoders of other formats are never reached."""
    for module, name in ((subprocess, "Popen"), (EpsImagePlugin, "Ghostscript")):
        monkeypatch.setattr(module, name, lambda *arguments, **options: pytest.fail("a program was started"))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(%pipe%id) (w) file\nshowpage\n%%EOF\n"
    for content in (eps, b"%PDF-1.4\n", b"P6 4 4 255\n" + bytes(48)):  # the last one is an image, of another format
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"a.png cannot be read as an image"):
            read_image(tmp_path / "a.png", (8, 8, 3))


def test_a_bomb_of_pixels_is_refused_by_its_header(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    assert "a.png cannot be read as an image" in refused(read_image, tmp_path / "a.png", (8, 8, 3))


def test_every_address_is_https():
    found = {
        path.name: re.findall(r"\bhttp://(?!127\.0\.0\.1|\{host\})[^\s\"'`]*", path.read_text(encoding="utf-8"))
        for path in SOURCES
    }
    assert not {name: addresses for name, addresses in found.items() if addresses}
    from kerasnas.datasets.omniglot import _FILES as OMNIGLOT
    from kerasnas.datasets.published import _FILES as IMAGES

    files = [file for one in IMAGES.values() for file in one.values()] + [*OMNIGLOT.values()]
    assert files and all(re.match(r"https://[\w.-]+\.\w+/\S+$", file.address) for file in files)


def test_user_files_enter_by_one_door():
    """`json.load`, `np.load` and `yaml.load` stand where nothing but this package's own text is read."""
    loads = {
        path.relative_to(SOURCES[0].parent).as_posix(): ast.unparse(node)
        for path in SOURCES
        if ".load" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("json.load", "np.load", "yaml.load", "keras.models.load_model")
    }
    assert set(loads) == {"files/untrusted.py", "networks/saved.py"}
    own = re.compile(r"json\.loads\(.*\b(to_json|dumps)\(|json\.loads\((line\.removeprefix|text|arrays\.pop)")
    for path in SOURCES:
        for line in path.read_text(encoding="utf-8").splitlines():
            inside = path.name == "untrusted.py" or ">>>" in line or '"""' in line
            assert "json.loads(" not in line or inside or own.search(line), f"{path.name}: {line.strip()}"


def test_a_record_of_json_reads_as_before(tmp_path):
    value = {"a": [1, 2.5, None, True, "ä"], "b": {"c": float("inf")}}
    (tmp_path / "a.json").write_text(json.dumps(value), encoding="utf-8")
    assert untrusted.read_json(tmp_path / "a.json") == value


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float64", "int64", "<U5", "S3", "bool", "complex64", ">i4"])
def test_arrays_of_every_kind_are_read(tmp_path, dtype):
    arrays = {"a": np.zeros((3, 0), dtype), "b": np.ones((2, 3, 1)).astype(dtype), "c": np.array(1).astype(dtype)}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **arrays, d=np.asfortranarray(arrays["b"]))
        with warnings.catch_warnings(action="error"):
            found = untrusted.read_arrays(tmp_path / "a.npz")
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


def test_memory_is_that_of_the_container(tmp_path, monkeypatch):
    machine = untrusted.memory()
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(untrusted, "_CONTAINER_LIMITS", (str(tmp_path / "none"), str(limit)))
    for text, expected in (("max\n", machine), ("1000000\n", 1_000_000), (f"{2**62}\n", machine)):
        limit.write_text(text)
        assert untrusted.memory() == expected
