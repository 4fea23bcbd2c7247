"""Signatures of calls and answers: HMACs over both, so that neither side learns the secret from the other's.

A call has a number that is used once, and the session of its chief; its signature covers the method, all metadata of
this package and a digest of the message. The answer's covers the number of the call, the status and the message. Nobody
without the secret can make, change or repeat either; anyone who intercepts them can read them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterable, Sequence
from typing import Any

PREFIX = "kerasnas-"
PROJECT, SESSION, NUMBER, DIGEST, SIGNATURE = (
    f"{PREFIX}{name}" for name in ("project", "session", "number", "digest", "signature")
)
Metadata = Sequence[tuple[str, Any]]

_CALLER = 32  # characters of a number that identify the caller; the rest counts
_WINDOW = 1024  # calls of one caller that may overtake one another


def own_metadata(metadata: Iterable[Any] | None) -> list[tuple[str, Any]]:
    """Return the metadata of this package, in one order, without the signature."""
    pairs = [(pair[0], pair[1]) for pair in metadata or () if pair[0].startswith(PREFIX) and pair[0] != SIGNATURE]
    return sorted(pairs, key=lambda pair: (pair[0], _bytes(pair[1])))


def digest(message: bytes) -> str:
    """Return the digest of a message, which its signature covers."""
    return hashlib.sha256(message).hexdigest()


def sign_call(key: bytes, method: str, metadata: Iterable[Any]) -> str:
    """Sign a call, whose metadata have the digest of its message."""
    return _sign(key, "call", method, *(part for pair in own_metadata(metadata) for part in pair))


def sign_answer(key: bytes, method: str, number: str, session: str, code: str, details: str, message: bytes) -> str:
    """Sign the answer to the call of this number."""
    return _sign(key, "answer", method, number, session, code, details, digest(message))


def is_same(signature: Any, right: str) -> bool:
    """Compare a received signature with the right one in constant time."""
    return hmac.compare_digest(_bytes(signature), right.encode())


def _sign(key: bytes, *parts: Any) -> str:
    signature = hmac.new(key, digestmod=hashlib.sha256)
    for part in map(_bytes, parts):
        signature.update(len(part).to_bytes(8, "big") + part)  # so that no two lists of parts are the same bytes
    return signature.hexdigest()


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


class Numbers:
    """Numbers of one caller's calls: a random part, and a count.

    Example:

    >>> numbers, seen = Numbers(), Seen()
    >>> first, second = numbers.next(), numbers.next()
    >>> [seen.is_first(number) for number in (second, first, second, "no number")]
    [True, True, False, False]
    """

    def __init__(self) -> None:
        self._caller, self._count, self._lock = secrets.token_hex(_CALLER // 2), 0, threading.Lock()

    def next(self) -> str:
        """Return a new number."""
        with self._lock:
            self._count += 1
            return f"{self._caller}{self._count:016x}"


class Seen:
    """Numbers that were used, in memory that grows with the callers and not with their calls."""

    def __init__(self) -> None:
        self._callers: dict[str, tuple[int, int]] = {}  # caller -> the highest count, and those below it as bits
        self._lock = threading.Lock()

    def is_first(self, number: str) -> bool:
        """Return True if `number` was not used before, and record it."""
        caller, text = number[:_CALLER], number[_CALLER:]
        try:
            count = int(text, 16)
        except ValueError:
            return False
        with self._lock:
            highest, bits = self._callers.get(caller, (0, 0))
            if count > highest:
                shift = count - highest
                bits = ((bits << shift) | 1) & ((1 << _WINDOW) - 1) if shift < _WINDOW else 1
                highest = count
            else:
                bit = 1 << (highest - count)
                if highest - count >= _WINDOW or bits & bit:
                    return False
                bits |= bit
            self._callers[caller] = highest, bits
        return True
