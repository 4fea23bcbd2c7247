"""Static vectors of sub-word tokens from an installed package, read as data: no code of the package runs."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import itertools
import math
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas.files import untrusted

PACKAGE = "wordllama"
STARTS = ("auto", "none", PACKAGE)
"""What a search of texts may start from."""
_INSTALL = "pip install 'kerasnas[texts]'"
_VECTORS, _TOKENIZER = "weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"
_TYPES = {"F16": "<f2", "F32": "<f4"}
_LONGEST_HEADER = 2**20  # bytes
_LONGEST_WORD = 60  # characters
_SPACE = "\u2581"  # what the tokenizer writes for the space before a word


@dataclasses.dataclass(frozen=True)
class TokenVectors:
    """Vectors of the tokens of a byte-pair encoding; `installed` and `read` make them.

    Args:
        name: of the package, with its version.
        license: as the package states it.
        rows: token -> row of `vectors`.
        ranks: pair of tokens that the encoding merges -> its rank, the lowest first.
        vectors: `(tokens, dimensions)`.
        origin: what the vectors were made of, whose licenses may apply too.

    Reference:
        Miller, "WordLlama", 2024 (github.com/dleemiller/WordLlama): token embeddings of large language models, reduced
        to 256 dimensions by training on pairs of similar texts.
    """

    name: str
    license: str
    rows: Mapping[str, int]
    ranks: Mapping[tuple[str, str], int]
    vectors: np.ndarray
    origin: str = "token embeddings of Llama 2 70B, Phi 3 medium and others"

    @classmethod
    def installed(cls) -> TokenVectors | None:
        """Return the vectors of the installed package `wordllama`; None if it is not installed.

        Raises:
            ValueError: if its files are damaged, or are not what was expected.
        """
        spec = importlib.util.find_spec(PACKAGE)  # of a package without a parent, which imports nothing
        if spec is None or not spec.submodule_search_locations:
            return None
        try:
            about = importlib.metadata.metadata(PACKAGE)
            version, license = about["Version"], (about["License"] or "").strip().splitlines()
        except importlib.metadata.PackageNotFoundError:
            version, license = "of unknown version", []
        name = f"{PACKAGE} {version}"
        return cls.read(next(iter(spec.submodule_search_locations)), name, license[0] if license else "unknown license")

    @classmethod
    def read(cls, folder: str | os.PathLike, name: str, license: str) -> TokenVectors:
        """Read the vectors and the tokenizer of a folder with the layout of the package `wordllama`.

        Raises:
            ValueError: if a file is missing or damaged, or is one of another model.
        """
        vectors, tokenizer = Path(folder, _VECTORS), Path(folder, _TOKENIZER)
        if missing := [path for path in (vectors, tokenizer) if not path.is_file()]:
            raise ValueError(f"{name} has no file {missing[0].name}. Expected wordllama 0.4 or later: {_INSTALL}")
        table, content = read_matrix(vectors), untrusted.read_json(tokenizer)
        try:
            rows, ranks = _encoding(content.get("model"), len(table))
        except ValueError as error:
            raise ValueError(f"{tokenizer}: {error}") from None
        return cls(name, license, rows, ranks, table)

    def whole(self, split: str) -> list[str]:
        """Return the tokens that are whole words, or characters, in lower case; `split` is which."""
        if split == "words":
            tokens = [token.removeprefix(_SPACE) for token in self.rows if token.startswith(_SPACE)]
        else:
            tokens = [token for token in self.rows if len(token) == 1]
        return list(dict.fromkeys(token.lower() for token in tokens if token.isalpha()))

    def pieces(self, word: str) -> list[str]:
        """Split a word, after a space, as the encoding does: merge the pair of the lowest rank until none is left.

        Pieces that are no tokens, which the encoding splits into bytes, are kept whole.
        """
        parts = [_SPACE, *word]
        while len(parts) > 1:
            ranks = [self.ranks.get(pair, math.inf) for pair in itertools.pairwise(parts)]
            lowest = min(ranks)
            if lowest == math.inf:
                break
            place = ranks.index(lowest)
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        return parts

    def of_words(self, words: Sequence[str]) -> np.ndarray:
        """Return a vector of length 1 for each word, the mean of its tokens' ones: float32 `(words, dimensions)`.

        A word without any token in the table, as most Chinese characters, has zeros, and so has one of more than 60
        characters. Words are in lower case, and names are tokens with a capital: of both spellings, the one of fewer
        tokens counts.
        """
        found = np.zeros((len(words), self.vectors.shape[1]), "float32")
        for row, word in zip(found, words, strict=True):
            if len(word) > _LONGEST_WORD:
                continue
            pieces = min(self.pieces(word), self.pieces(word.capitalize()), key=len)
            rows = [self.rows[piece] for piece in pieces if piece != _SPACE and piece in self.rows]
            if rows:
                row[:] = self.vectors[rows].mean(axis=0)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.finfo("float32").tiny)


def read_matrix(path: str | os.PathLike) -> np.ndarray:
    """Return the one matrix of a `.safetensors` file as float32.

    Raises:
        ValueError: if the file is damaged, or holds anything but one finite matrix of type F16 or F32.
    """
    content = untrusted.read_bytes(path)
    try:
        if len(content) < 8 or (length := struct.unpack("<Q", content[:8])[0]) > min(_LONGEST_HEADER, len(content) - 8):
            raise ValueError("It is no .safetensors file, or a truncated one")
        header = untrusted.parse_json(content[8 : 8 + length], dict)
        header.pop("__metadata__", None)
        if len(header) != 1:
            raise ValueError(f"Expected one array. Received: {len(header)}")
        return _matrix(next(iter(header.values())), memoryview(content)[8 + length :])
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None


def _matrix(entry: Any, data: memoryview) -> np.ndarray:
    """Return the matrix that an entry of the header describes."""
    shape, kind = (entry.get(key) if isinstance(entry, dict) else None for key in ("shape", "dtype"))
    sizes = isinstance(shape, list) and len(shape) == 2 and all(type(size) is int and size > 0 for size in shape)
    if not sizes or kind not in _TYPES:
        raise ValueError(f"Expected a matrix of type {' or '.join(_TYPES)}. Received: {str(entry)[:80]}")
    dtype = np.dtype(_TYPES[kind])
    size = shape[0] * shape[1] * dtype.itemsize  # type: ignore[index]  # checked above
    if entry.get("data_offsets") != [0, size] or len(data) != size:
        raise ValueError(f"Expected {size:,} bytes of numbers. Received: {len(data):,}")
    matrix = np.frombuffer(data, dtype).reshape(shape).astype("float32")
    if not np.isfinite(matrix).all():
        raise ValueError("Expected finite numbers. Received: NaN or infinity")
    return matrix


def _encoding(model: Any, size: int) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Return rows and ranks of a `tokenizer.json`'s byte-pair encoding, whose vectors are `size` rows."""
    rows, merges = (model.get(key) if isinstance(model, dict) else None for key in ("vocab", "merges"))
    if not isinstance(rows, dict) or not isinstance(merges, list) or model.get("type") != "BPE":
        raise ValueError("Expected a byte-pair encoding (BPE) with its vocabulary and merges")
    if len(rows) != size or sorted(map(repr, rows.values())) != sorted(map(repr, range(size))):
        raise ValueError(f"It is of another model: {len(rows):,} tokens, and the file of vectors has {size:,}")
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    if not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair) for pair in pairs
    ):
        raise ValueError("Expected merges of two tokens each")
    return rows, {(first, second): rank for rank, (first, second) in enumerate(pairs)}


def find_vectors(asked: str) -> tuple[TokenVectors | None, str]:
    """Return the vectors of the setting `starts`, and a line on them for the log.

    Args:
        asked: `"none"`; `"auto"`, what is installed and whole; or the name of a package, which must be.

    Raises:
        ValueError: if the package asked for is not installed, or is damaged.
    """
    if asked == "none":
        return None, ""
    try:
        vectors = TokenVectors.installed()
    except ValueError as error:
        if asked != "auto":
            raise
        return None, f"No pretrained word vectors: {error}"
    if vectors is None:
        missing = f"No pretrained word vectors are installed: {_INSTALL}"
        if asked != "auto":
            raise ValueError(missing)
        return None, missing
    return vectors, f"Pretrained word vectors: {vectors.name} ({vectors.license})"
