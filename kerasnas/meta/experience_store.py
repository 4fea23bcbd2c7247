"""ExperienceStore: the file of finished races, and the user's consent to keep it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from kerasnas import checks
from kerasnas.files import leftovers, storage, untrusted
from kerasnas.files.storage import cache_folder
from kerasnas.meta.race_experience import RaceExperience


class _Line(NamedTuple):
    text: bytes
    experience: RaceExperience | None
    note: str


class ExperienceStore:
    """Finished races, one per line of a JSON-lines file that can be read, copied and deleted.

    Several processes may write at once. Damaged lines are skipped with a note, and kept. A file with a line of a newer
    KerasNAS is neither read nor changed.

    Args:
        folder: the file's folder. Defaults to None: the environment's `KERASNAS_HOME`, else `~/.cache/kerasnas`.

    Attributes:
        path: the file, `experience.jsonl`; created with the first race.

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
        """True if the user allowed searches to be remembered and to use earlier ones. Defaults to False."""
        try:
            record = untrusted.read_json(self._consent)
        except (OSError, ValueError):
            return False
        return isinstance(record, dict) and record.get("remember") is True

    def set_consent(self, consent: bool) -> None:
        """Save the user's consent, or its withdrawal; raises OSError if the folder cannot be written."""
        checks.boolean("consent", consent)
        self._consent.parent.mkdir(parents=True, exist_ok=True)
        storage.write_json(self._consent, {"remember": consent})

    def read(self) -> tuple[list[RaceExperience], list[str]]:
        """Return the races in the order of their lines, and a note on each damaged line.

        Raises:
            ValueError: if a newer version wrote the file.
            OSError: if it cannot be read.
        """
        leftovers.remove(self.path.parent)
        lines = _read(self.path) if self.path.exists() else []
        return [line.experience for line in lines if line.experience], [line.note for line in lines if line.note]

    def append(self, experience: RaceExperience) -> None:
        """Add a race.

        Raises:
            ValueError: if a newer version wrote the file.
            OSError: if the folder cannot be written.
        """
        self._append([checks.instance("experience", experience, RaceExperience)])

    def merge(self, path: str | os.PathLike) -> tuple[int, list[str]]:
        """Add the races of another such file that are not in this one.

        Returns:
            The number of races added, and a note on each damaged line.

        Raises:
            ValueError: if no line is a race, or a newer version wrote one of the two files.
            OSError: if the file cannot be read, or the folder cannot be written.
        """
        lines = _read(checks.path("path", path))
        races = [line.experience for line in lines if line.experience]
        if lines and not races:
            raise ValueError(f"{path} holds no experience of searches. Expected a file such as {self.path}.")
        return self._append(races, once=True), [line.note for line in lines if line.note]

    def forget(self, number: int) -> RaceExperience:
        """Remove race `number`, counted from 1 in the order of `read`, and return it.

        Raises:
            ValueError: if there is no such race, or a newer version wrote the file.
            OSError: if the file cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with storage.locked(self._lock):
            lines = _read(self.path) if self.path.exists() else []
            races = [(place, line.experience) for place, line in enumerate(lines) if line.experience]
            place, experience = races[check_number(number, len(races)) - 1]
            rest = b"".join(line.text + b"\n" for line in [*lines[:place], *lines[place + 1 :]])
            with storage.atomic_path(self.path) as temporary:
                temporary.write_bytes(rest)
        return experience

    def _append(self, experiences: list[RaceExperience], once: bool = False) -> int:
        """Add races, with `once` only new ones; return how many."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with storage.locked(self._lock):
            lines = _read(self.path) if self.path.exists() else []
            known = [line.experience for line in lines] if once else []
            texts: list[str] = []
            for experience in experiences:
                if experience not in known:
                    texts.append(experience.to_line())
                    known += [experience] if once else []
            with open(self.path, "ab") as file:
                torn = lines and not self.path.read_bytes().endswith(b"\n")  # a process was killed while it wrote
                file.write((b"\n" if torn else b"") + "".join(text + "\n" for text in texts).encode())
        return len(texts)


def check_number(number: int, most: int) -> int:
    """Return the number of a race, if it is within 1 and `most`; raises ValueError otherwise."""
    if not most:
        raise ValueError(checks.invalid("number", "the number of a remembered search", number, "There is none yet."))
    if type(number) is not int or not 1 <= number <= most:
        raise ValueError(checks.invalid("number", f"the number of a remembered search, from 1 to {most}", number))
    return number


def _read(path: Path) -> list[_Line]:
    """Return the lines of a file that are not empty."""
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
