"""ExperienceStore: the file in which finished races are remembered, and the user's consent to that."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from kerasnas import checks
from kerasnas.datasets.downloads import cache_folder
from kerasnas.files import leftovers, storage, untrusted
from kerasnas.meta.race_experience import RaceExperience


class _Line(NamedTuple):
    text: bytes
    experience: RaceExperience | None
    note: str


class ExperienceStore:
    """Finished races, one a line of a JSON-lines file, which can be read, copied and deleted.

    Several processes may write at once. A line that is damaged is skipped, said and kept; of a file that a newer
    KerasNAS wrote nothing is read, and it is never changed.

    Args:
        folder: of the file. Defaults to None: the environment's `KERASNAS_HOME`, else `~/.cache/kerasnas`.

    Attributes:
        path: the file, `experience.jsonl`, which is made with the first race that is remembered.

    Example:

    >>> import tempfile
    >>> store = ExperienceStore(tempfile.mkdtemp())
    >>> store.consent, store.read()
    (False, ([], []))
    >>> store.set_consent(True)
    >>> ExperienceStore(store.path.parent).consent
    True
    """

    @checks.arguments(folder=checks.path)
    def __init__(self, folder: str | os.PathLike | None = None):
        home = cache_folder(folder)
        self.path = home / "experience.jsonl"
        self._consent, self._lock = home / "experience.json", home / "experience.lock"

    @property
    def consent(self) -> bool:
        """True if every search may be remembered, and use what is; False unless that was said."""
        try:
            record = untrusted.read_json(self._consent)
        except (OSError, ValueError):
            return False
        return isinstance(record, dict) and record.get("remember") is True

    def set_consent(self, consent: bool) -> None:
        """Write down the user's consent, or its end.

        Raises:
            ValueError: if `consent` is no bool.
            OSError: if the folder cannot be written.
        """
        checks.boolean("consent", consent)
        self._consent.parent.mkdir(parents=True, exist_ok=True)
        storage.write_json(self._consent, {"remember": consent})

    def read(self) -> tuple[list[RaceExperience], list[str]]:
        """The races, in the order in which they were remembered, and a note on each line that is none.

        Raises:
            ValueError: if a newer version wrote the file.
            OSError: if it cannot be read.
        """
        leftovers.remove(self.path.parent)
        lines = _read(self.path) if self.path.exists() else []
        return [line.experience for line in lines if line.experience], [line.note for line in lines if line.note]

    def append(self, experience: RaceExperience) -> None:
        """Remember a race.

        Raises:
            TypeError: if `experience` is no `RaceExperience`.
            ValueError: if a newer version wrote the file.
            OSError: if the folder cannot be written.
        """
        self._append([checks.instance("experience", experience, RaceExperience)])

    def merge(self, path: str | os.PathLike) -> tuple[int, list[str]]:
        """Add the races of another such file, but for those that are there already.

        Args:
            path: of the file.

        Returns:
            How many were added, and a note on each of its lines that is no race.

        Raises:
            ValueError: if no line of it is a race, or a newer version wrote one of the two files.
            OSError: if the file cannot be read, or the folder not be written.
        """
        lines = _read(checks.path("path", path))
        found = [line.experience for line in lines if line.experience]
        if lines and not found:
            raise ValueError(f"{path} holds no experience of searches. Expected a file such as {self.path}.")
        return self._append(found, once=True), [line.note for line in lines if line.note]

    def forget(self, number: int) -> RaceExperience:
        """Remove the race of this number, counted from 1 in the order of `read`, and return it.

        Raises:
            ValueError: if there is none of this number, or a newer version wrote the file.
            OSError: if the file cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with storage.locked(self._lock):
            lines = _read(self.path) if self.path.exists() else []
            places = [place for place, line in enumerate(lines) if line.experience]
            place = places[check_number(number, len(places)) - 1]
            rest = b"".join(line.text + b"\n" for line in [*lines[:place], *lines[place + 1 :]])
            with storage.atomic_path(self.path) as temporary:
                temporary.write_bytes(rest)
        experience = lines[place].experience
        assert experience is not None  # as `places` has it
        return experience

    def _append(self, experiences: list[RaceExperience], once: bool = False) -> int:
        """Add races, those alone that are not there if `once`; return how many."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with storage.locked(self._lock):
            there = _read(self.path) if self.path.exists() else []
            known = [line.experience for line in there] if once else []
            texts: list[str] = []
            for experience in experiences:
                if experience not in known:
                    texts.append(experience.to_line())
                    known += [experience] if once else []
            with open(self.path, "ab") as file:
                torn = there and not self.path.read_bytes().endswith(b"\n")  # of a process that was killed
                file.write((b"\n" if torn else b"") + "".join(text + "\n" for text in texts).encode())
        return len(texts)


def check_number(number: int, most: int) -> int:
    """The number of a remembered race, if it is one of `most`.

    Raises:
        ValueError: otherwise; names the range.
    """
    if not most:
        raise ValueError(checks.invalid("number", "the number of a remembered search", number, "There is none yet."))
    if type(number) is not int or not 1 <= number <= most:
        raise ValueError(checks.invalid("number", f"the number of a remembered search, from 1 to {most}", number))
    return number


def _read(path: Path) -> list[_Line]:
    """The lines of a file that are not empty."""
    lines = []
    try:
        content = untrusted.read_bytes(path)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    for number, text in enumerate(content.split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            lines.append(_Line(text, RaceExperience.from_line(text), ""))
        except NotImplementedError as error:
            raise ValueError(
                f"{path}, line {number}: written in {error}. It is neither used nor changed: upgrade KerasNAS."
            ) from None
        except ValueError as error:
            lines.append(_Line(text, None, f"{path}, line {number} is skipped. {str(error).splitlines()[0]}"))
    return lines
