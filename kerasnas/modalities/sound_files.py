"""Files of sound, decoded into recordings of one rate and one length."""

from __future__ import annotations

import collections
import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

from kerasnas import checks
from kerasnas.files import untrusted
from kerasnas.modalities.decoding import Decoded, readable, unreadable_file
from kerasnas.wording import missing_extra

SUFFIXES = (".wav", ".wave", ".flac", ".mp3", ".ogg")
TRAITS = ("sample rate", "number of samples", "number of sound channels")
_RATES = (1_000, 384_000)  # samples a second
_SHORTEST = 0.032  # seconds: a frame of the spectrogram
_UNCUT = 0.9  # share of the files
_UNEQUAL = 4  # times the median length, from which on too much is cut
_MOST_MEMORY, _BYTES = 0.7, 6  # share of the machine's; for each byte of a file, of 16 bits, and its copies of 32
_DECODED = {".flac": 2, ".mp3": 10, ".ogg": 10}  # times as many bytes, those two at some 140 kbit/s
_COMPRESSED = b"fLaC", b"OggS", b"ID3"  # what such files begin with; mp3 files without a title with eleven bits of 1


def read_sounds(paths: Sequence[Path], root: Path | None, rate: int = 0, length: int = 0) -> Decoded:
    """Decode files of sound to one channel, one rate and one length: others are resampled, end in silence, or are cut.

    A `rate` of 0 is that of most files, a `length` of 0 what nine of ten files have at most. Other arguments, result
    and errors as for `read_pixels`.
    """
    decoded = (path.stat().st_size * _DECODED.get(path.suffix.lower(), 1) for path in paths if path.is_file())
    needed, memory = _BYTES * sum(decoded), untrusted.memory()
    if needed > _MOST_MEMORY * memory:
        received = f"{len(paths):,} of about {needed / 2**30:.1f} GiB. Lower their rate, or cut them"
        raise ValueError(f"Expected recordings that fit into {memory / 2**30:.1f} GiB. Received: {received}")
    unreadable: dict[Path, str] = {}
    sounds = readable(lambda path: _read(path, root), paths, unreadable)
    if not sounds and not (rate and length):
        raise ValueError(next(iter(unreadable.values())))
    traits = {path: (own, *sound.shape) for path, (own, sound) in sounds.items()}
    rate = rate or collections.Counter(own for own, _ in sounds.values()).most_common(1)[0][0]
    sizes = np.array([math.ceil(size * rate / own) for own, size, _ in traits.values()], int)
    length = length or int(np.quantile(sizes, _UNCUT, method="inverted_cdf"))
    samples = np.zeros((len(traits), length), np.float32)
    for row, path in zip(samples, traits, strict=True):
        own, sound = sounds.pop(path)
        mono, common = sound[: math.ceil(length * own / rate)].mean(axis=1), math.gcd(rate, own)
        mono = (mono if own == rate else resample_poly(mono, rate // common, own // common))[:length]
        row[: len(mono)] = mono
    notes = _notes({path: own for path, (own, *_) in traits.items()}, sizes / rate, rate, length)
    return Decoded(samples, list(traits), unreadable, notes, traits, {"rate": np.array(rate)})


def _notes(rates: dict[Path, int], seconds: np.ndarray, rate: int, length: int) -> tuple[str, ...]:
    """Return the lengths in words, and lines on what is resampled, padded and cut."""
    low, high, own = seconds.min(initial=np.inf), seconds.max(initial=0), length / rate
    notes = [f"{low:.2f}..{high:.2f} s -> {own:.2f} s, {length:,} samples at {rate:,} a second"]
    if others := [path for path, one in rates.items() if one != rate]:
        found = f"{others[0].parent.name}/{others[0].name} has {rates[others[0]]:,} samples a second, most {rate:,}"
        notes.append(f"{len(others):,} of {len(rates):,} recordings are resampled: {found}")
    short, long = int((seconds < own).sum()), int((seconds > own).sum())
    if short or long:
        pieces = ". Cut long ones into pieces, in a folder of each, <class>/<recording>/, which no split divides"
        end = pieces if long and high > _UNEQUAL * np.median(seconds) else ""
        notes.append(f"{short:,} recordings are shorter than {own:.2f} s, and end in silence; {long:,} are cut{end}")
    return tuple(notes)


def _read(path: Path, root: Path | None) -> tuple[int, np.ndarray]:
    """Return rate and values, float32 `(samples, channels)` from -1 to 1, of a file."""
    try:
        rate, values = _decoded(untrusted.read_bytes(path))
        checks.integer("rate", rate, least=_RATES[0], most=_RATES[1])
        if len(values) < _SHORTEST * rate:
            raise ValueError(f"It has {len(values):,} samples. Expected at least {1000 * _SHORTEST:.0f} ms")
        found = values.reshape(len(values), -1).astype(np.float32)
        if values.dtype.kind != "f":
            found = found / np.float32(2 ** (8 * values.dtype.itemsize - 1)) - (values.dtype.kind == "u")
        if not np.isfinite(found).all():
            raise ValueError("It holds NaN or infinity")
    except MemoryError:
        raise
    except Exception as error:  # of damaged bytes decoders raise nearly anything
        raise unreadable_file(path, root, error, "a recording") from error
    return rate, found


def _decoded(content: bytes) -> tuple[int, np.ndarray]:
    """Return rate and values of what a file holds, in the type that it holds them in, or float32 of compressed ones."""
    if content.startswith(_COMPRESSED) or (content[:1] == b"\xff" and content[1:2] >= b"\xe0"):
        try:
            import soundfile
        except ImportError as error:
            raise missing_extra("sound", error) from None
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            if (needed := 8 * len(file) * file.channels) > _MOST_MEMORY * untrusted.memory():
                raise ValueError(f"It takes {needed / 2**30:.1f} GiB. Cut it into pieces")
            return file.samplerate, file.read(dtype="float32", always_2d=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks of other programs
        warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)
        return wavfile.read(io.BytesIO(content))
