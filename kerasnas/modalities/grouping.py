"""Hints that samples belong together, such as all images of a patient: a split between them flatters the result."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

_OWNERS = (
    *("animal", "device", "donor", "hospital", "household", "participant", "patient", "person", "plot", "recording"),
    *("session", "site", "speaker", "station", "subject", "user", "volunteer", "writer"),
)
_OWNER = re.compile(rf"(?:^|[^a-z])({'|'.join(_OWNERS)})s?(?:[ _-]?id)?[ _-]*(\d+)")
_COLUMN = re.compile(rf"({'|'.join(_OWNERS)})s?(?:[ _-]?(?:id|name|number|no))?")
_NUMBERED = re.compile(r"(.*[^\W_\d])[\W_]*\d+")
_MOST = 0.9  # of the files, that have to be of groups; others are named by chance


def grouped_files(files: Mapping[str, Sequence[str]]) -> str:
    """Return a hint where the names of files say what belongs together; nothing where they do not.

    They do where nearly all hold a word such as `patient` with a number, and where what precedes a last number comes
    again in other classes, as speakers do who say several words.
    """
    stems = {label: [re.sub(r"\.\w+$", "", name).lower() for name in names] for label, names in files.items()}
    found = [match for names in stems.values() for stem in names if (match := _OWNER.search(stem))]
    owners = [" ".join(match.groups()) for match in found]
    if _are_groups(owners, sum(map(len, stems.values()))):
        return _hint(owners[0])
    prefixes = {
        label: {match[1] for stem in names if (match := _NUMBERED.fullmatch(stem))} for label, names in stems.items()
    }
    shared = [one for own in prefixes.values() for one in own if sum(one in other for other in prefixes.values()) > 1]
    apart = sum(map(len, prefixes.values()))
    return _hint(shared[0]) if len(set(shared)) > len(prefixes) and len(shared) >= _MOST * apart else ""


def grouped_columns(columns: Mapping[str, Sequence[str]]) -> str:
    """Return a hint where the name of a column says what belongs together; nothing where none does."""
    for name, values in columns.items():
        if _COLUMN.fullmatch(name.lower()) and _are_groups(values, len(values)):
            return (
                f"Column '{name}' suggests that rows belong together: name it `group`, and none of them is on both "
                "sides of a split."
            )
    return ""


def _are_groups(owners: Collection[str], samples: int) -> bool:
    """Return True if nearly all samples have an owner, of which there are several with several samples each."""
    return len(owners) >= _MOST * samples and 2 <= len(set(owners)) <= samples / 2


def _hint(example: str) -> str:
    return (
        f"Names of files suggest that some belong together ('{example}'): keep them on one side of splits, in folders "
        "of their own, <class>/<group>/, or by a column `group` of a CSV file."
    )
