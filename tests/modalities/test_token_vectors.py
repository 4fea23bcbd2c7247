"""Vectors of tokens from an installed package: read as data, split as the encoding does, part of a vocabulary."""

import json
import struct
import sys

import numpy as np
import pytest

from kerasnas.modalities.fronts import Vocabulary
from kerasnas.modalities.token_vectors import TokenVectors, find_vectors
from tests.kit import word_vectors_package

WORDS = {"good": [1, 0], "bad": [0, 1], "lovely": [0.9, 0.1], "Berlin": [0.6, 0.8], "ber": [1, 1]}


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    return word_vectors_package(tmp_path, WORDS)


def test_nothing_of_the_package_runs(package):
    vectors = TokenVectors.installed()
    assert (vectors.name, vectors.license) == ("wordllama 0.4.0", "MIT License")
    assert "wordllama" not in sys.modules
    assert find_vectors("auto")[1] == "Pretrained word vectors: wordllama 0.4.0 (MIT License)"
    assert find_vectors("none") == (None, "")


def test_pairs_merge_by_rank_not_from_the_left(tmp_path):
    vectors = TokenVectors.read(word_vectors_package(tmp_path, {"abx": [1, 0]}, merges=[("b", "c")]), "it", "MIT")
    assert vectors.pieces("abc") == ["\u2581a", "bc"]  # from the left it would be "ab", "c"
    assert vectors.pieces("abxé") == ["\u2581abx", "é"]
    assert vectors.pieces("\u4e2d") == ["\u2581", "\u4e2d"]


def test_a_word_has_the_mean_of_its_tokens_at_length_1(package):
    vectors = TokenVectors.installed()
    found = vectors.of_words(["good", "berlin", "\u4e2d", "", "a" * 100_000])
    np.testing.assert_allclose(found[:2], [[1, 0], [0.6, 0.8]], atol=1e-3)  # the capital makes fewer tokens
    assert not found[2:].any()
    assert {"good", "bad", "berlin"} < set(vectors.whole("words")) and "b" in vectors.whole("characters")


def test_words_that_occur_once_or_never_follow_the_learned_ones(package):
    texts = ["good film"] * 3 + ["bad", "odd"]
    plain, _ = Vocabulary.learned(texts)
    front, note = Vocabulary.learned(texts, pretrained=TokenVectors.installed())
    learned = len(plain.words)
    assert front.words[:learned] == plain.words and front.sizes == plain.sizes == {"vocabulary": 2 + learned}
    assert {"bad", "lovely"} < set(front.words[learned:]) and "odd" not in front.words
    assert note.startswith("Vocabulary: 2 words")
    ids = front.ids(["lovely good odd"])[0]
    assert ids[0] >= front.sizes["vocabulary"] > ids[1] and front.ids(["odd"])[0, 0] == 1
    np.testing.assert_allclose(front.vectors[ids[0]], [0.994, 0.11], atol=2e-3)
    assert not front.vectors[:2].any() and len(front.vectors) == 2 + len(front.words)
    config = front.get_config()
    assert (config["words"], config["vectors"], config["license"]) == (2, "wordllama 0.4.0", "MIT License")
    assert plain.get_config().keys() == {"name", "words", "length", "split"}


def test_texts_in_a_script_without_vectors_keep_their_vocabulary(package):
    front, _ = Vocabulary.learned(["\u4e2d\u6587" * 10] * 3, pretrained=TokenVectors.installed())
    assert front.vectors is None and set(front.words) == set("\u4e2d\u6587") and front.split == "characters"


def test_what_is_not_installed(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert find_vectors("auto") == (None, "No pretrained word vectors are installed: pip install 'kerasnas[texts]'")
    with pytest.raises(ValueError, match=r"not? .*installed: pip install 'kerasnas\[texts\]'|are installed: pip"):
        find_vectors("wordllama")


def _file(header, data=b"", length=None):
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _entry(shape, dtype="F16", end=None):
    return {"shape": shape, "dtype": dtype, "data_offsets": [0, 2 * shape[0] * shape[1] if end is None else end]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"abc", "It is no .safetensors file, or a truncated one"),
        (_file({}, length=2**60), "It is no .safetensors file, or a truncated one"),
        (_file(b"{nonsense"), "It is no JSON"),
        (_file(b"[]"), "Expected JSON of an object"),
        (_file({}), "Expected one array. Received: 0"),
        (_file({"a": _entry([1, 1]), "b": _entry([1, 1])}), "Expected one array. Received: 2"),
        (_file({"a": 7}), "Expected a matrix of type F16 or F32. Received: 7"),
        (_file({"a": _entry([2, 2], "BF16")}, bytes(8)), "Expected a matrix of type F16 or F32"),
        (_file({"a": {**_entry([2, 2]), "shape": [2, 2, 1]}}, bytes(8)), "Expected a matrix"),
        (_file({"a": {**_entry([2, 2]), "shape": [-2, -2]}}, bytes(8)), "Expected a matrix"),
        (_file({"a": _entry([2, 2])}, bytes(7)), "Expected 8 bytes of numbers. Received: 7"),
        (_file({"a": _entry([2, 2], end=6)}, bytes(8)), "Expected 8 bytes of numbers"),
        (_file({"a": _entry([10**9, 10**9])}, bytes(8)), "bytes of numbers. Received: 8"),
        (_file({"a": _entry([1, 2])}, np.array([1, np.nan], "<f2").tobytes()), "Expected finite numbers"),
        (_file({"a": _entry([1, 2])}, np.array([1, 2], "<f2").tobytes()), "It is of another model: "),
    ],
)
def test_damaged_vectors(package, content, message):
    file = package / "weights" / "l2_supercat_256.safetensors"
    file.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        find_vectors("wordllama")
    assert message in str(caught.value) and "l2_supercat" in str(caught.value) and "\n" not in str(caught.value)
    vectors, line = find_vectors("auto")
    assert vectors is None and message in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: None, "Expected a byte-pair encoding (BPE)"),
        (lambda model: {**model, "type": "WordPiece"}, "Expected a byte-pair encoding (BPE)"),
        (lambda model: {**model, "vocab": []}, "Expected a byte-pair encoding (BPE)"),
        (lambda model: {**model, "vocab": {**model["vocab"], "<unk>": 10**6}}, "It is of another model"),
        (lambda model: {**model, "vocab": {**model["vocab"], "<unk>": [0]}}, "It is of another model"),
        (lambda model: {**model, "merges": [*model["merges"], "abc"]}, "Expected merges of two tokens each"),
        (lambda model: {**model, "merges": [*model["merges"], 7]}, "Expected merges of two tokens each"),
    ],
)
def test_damaged_tokenizer(package, change, message):
    file = package / "tokenizers" / "l2_supercat_tokenizer_config.json"
    file.write_text(json.dumps({"model": change(json.loads(file.read_text(encoding="utf-8"))["model"])}))
    with pytest.raises(ValueError) as caught:
        find_vectors("wordllama")
    assert message in str(caught.value) and str(file) in str(caught.value)


def test_a_file_that_is_missing_and_merges_as_pairs(package):
    file = package / "tokenizers" / "l2_supercat_tokenizer_config.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["model"]["merges"] = [merge.split(" ") for merge in content["model"]["merges"]]
    file.write_text(json.dumps(content))
    assert find_vectors("wordllama")[0].pieces("good") == ["\u2581good"]
    file.unlink()
    with pytest.raises(ValueError, match=r"wordllama 0.4.0 has no file l2_supercat_tokenizer_config.json"):
        find_vectors("wordllama")
