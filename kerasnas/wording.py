"""Words of error messages: argument, expectation, value received, nearest right name. Imports next to nothing."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable
from unicodedata import category

_LONGEST = 200  # characters of a received value that a message shows
_MOST = 60  # names that a message lists


def invalid(argument: str, expected: str, received: object, hint: str = "", what: str = "argument") -> str:
    """Write the message for a wrong value, in Keras' words.

    Args:
        argument: name of the argument.
        expected: a noun phrase, such as `"a positive integer"`.
        received: the value received.
        hint: a further sentence, such as the nearest right name. Defaults to none.
        what: a noun for `argument`. Defaults to `"argument"`.

    Example:

    >>> invalid("strides", "1 or 2", 3)
    'Invalid value received for argument `strides`. Expected 1 or 2. Received: 3'
    """
    words = " ".join(map(str.strip, shown(received).splitlines()))  # of an array, several lines
    if len(words) > _LONGEST:
        words = f"{words[:_LONGEST]}... ({type(received).__name__})"
    end = f" {hint}" if hint else ""
    return f"Invalid value received for {what} `{argument}`. Expected {expected}. Received: {words}{end}"


def shown(value: object) -> str:
    """Return the representation of a value, or its class where it has none."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 (an integer of more digits than Python writes, or whatever an object raises)
        return f"<{type(value).__name__}>"


def shortened(text: str, most: int) -> str:
    """Return the beginning of a text of more than `most` characters, with dots; a shorter one as it is."""
    return text if len(text) <= most else f"{text[:most]}..."


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its class where it says nothing.

    Example:

    >>> first_line(OSError(" no route to host\\nand more")), first_line(KeyboardInterrupt())
    ('no route to host', 'KeyboardInterrupt')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def wrong_value(argument: str, expected: str, received: object, what: str = "") -> ValueError:
    """Return the error for a wrong value, which `received` describes, of the training, validation or test data."""
    named = f"`{argument}` ({what} data)" if what else f"`{argument}`"
    return ValueError(f"Invalid value received for argument {named}. Expected {expected}. Received: {received}")


def nearest(name: object, known: Iterable[str]) -> str:
    """Write the end of an error message: the nearest known name, then all of them, or five where there are many.

    Example:

    >>> nearest("sep_conv_3x", ["sep_conv_3x3", "none"])
    "Did you mean 'sep_conv_3x3'? Known: ['none', 'sep_conv_3x3']"
    >>> nearest("name_7x", [f"name_{number}" for number in range(99)])
    "Did you mean 'name_7'? The nearest of 99 known: ['name_7', 'name_97', 'name_87', 'name_79', 'name_78']"
    """
    names, name = sorted(known), str.__str__(name) if issubclass(type(name), str) else shown(name)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    if len(names) > _MOST:
        return f"{hint}The nearest of {len(names)} known: {difflib.get_close_matches(name, names, n=5, cutoff=0.0)}"
    return f"{hint}Known: {names}"


def printable(text: str) -> str:
    """Return `text` with what no terminal should get written as escapes: control characters, and what is not Unicode.

    File names of old archives hold the latter.

    Example:

    >>> print(printable("caf\\udce9"), printable("café"), printable("\\x1b[31mred"))
    caf\\udce9 café \\x1b[31mred
    """
    escaped = (one.encode("unicode_escape").decode() if category(one) in ("Cc", "Cs") else one for one in text)
    return "".join(escaped)


def csv_cell(text: str) -> str:
    """Return a cell of a table that no spreadsheet takes for a formula.

    Example:

    >>> print(csv_cell("=1+1"), csv_cell("-0.5"), csv_cell("cat"))
    '=1+1 -0.5 cat
    """
    text = printable(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) and not _is_number(text) else text


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV, each cell as `csv_cell` has it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([csv_cell(str(cell)) for cell in row] for row in rows)
    return text.getvalue()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def missing_extra(name: str, error: ImportError) -> ModuleNotFoundError:
    """Return the error of a package that is missing, with the extra that installs it.

    Example:

    >>> missing_extra("optuna", ModuleNotFoundError("No module named 'optuna'"))
    ModuleNotFoundError("This needs the extra: pip install 'kerasnas[optuna]' (No module named 'optuna')")
    """
    return ModuleNotFoundError(f"This needs the extra: pip install 'kerasnas[{name}]' ({error})", name=error.name)
