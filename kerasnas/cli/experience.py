"""`kerasnas experience`: the record of earlier searches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from absl import flags

if TYPE_CHECKING:
    from kerasnas.meta import ExperienceStore
    from kerasnas.meta.race_experience import RaceExperience

ACTIONS = ("list", "show", "forget", "merge", "on", "off")


def experience(values: flags.FlagValues) -> None:
    """Run the action of the flags.

    Raises:
        ValueError: for a missing or an unexpected number or file.
    """
    from kerasnas.meta import ExperienceStore

    action, what = values["action"].value, values["what"].value
    needed = {"show": "the number of a search", "forget": "the number of a search", "merge": "a file"}
    if (what is None) == (action in needed):
        extra = f"Missing {needed[action]}" if action in needed else f"Unexpected argument '{what}'"
        raise ValueError(f"{extra}: kerasnas experience {action}{' N' if action in ('show', 'forget') else ''}")
    run: dict[str, Callable[[ExperienceStore], None]] = {
        "list": _list,
        "show": lambda store: _show(store, what),
        "forget": lambda store: print(f"Forgotten: {_in_words(store.forget(_number(what)))}"),
        "merge": lambda store: _merge(store, what),
        "on": lambda store: _switch(store, True),
        "off": lambda store: _switch(store, False),
    }
    run[action](ExperienceStore())


def _list(store: ExperienceStore) -> None:
    found, notes = store.read()
    every = "on: races and shortlists are recorded, and start with the networks that did best on similar data"
    print(f"{store.path}: {len(found)} searches. Experience is {every if store.consent else 'off'}.")
    for number, one in enumerate(found, start=1):
        print(f"  {number}  {_in_words(one)}")
    for note in notes:
        print(note)


def _show(store: ExperienceStore, what: str) -> None:
    from kerasnas.meta.experience_store import check_number

    found, _ = store.read()
    one = found[check_number(_number(what), len(found)) - 1]
    print(_in_words(one))
    print(f"  space      {', '.join(sorted({candidate['genotype']['space'] for candidate in one.candidates}))}")
    print(f"  task       {', '.join(f'{name} {value:.4g}' for name, value in one.task.items())}")
    clock = "of CPU time" if one.budget["cpu"] else "of wall-clock time"
    print(
        f"  budget     {one.budget['seconds']:g} s {clock}, on {(one.machine or {}).get('device', 'another machine')}"
    )
    if one.baseline is not None:
        print(f"  baseline   {_score(one, one.baseline, 1)} of the held-out {one.inputs}s")
    for candidate in one.candidates:
        curve = ", ".join(f"{_score(one, score, 1)} after {steps:,} steps" for steps, score in candidate["curve"])
        print(f"  {candidate['name']}: {curve or 'failed or not started'}")


def _merge(store: ExperienceStore, what: str) -> None:
    added, notes = store.merge(what)
    for note in notes:
        print(note)
    print(f"{added} new searches from {what} in {store.path}.")


def _switch(store: ExperienceStore, consent: bool) -> None:
    store.set_consent(consent)
    print(f"Experience is {'on' if consent else 'off'}. Record of searches: {store.path}")


def _in_words(one: RaceExperience) -> str:
    from kerasnas.modalities.lookup import of_inputs

    task, outputs, modality = one.task, int(one.task["classes"]), of_inputs(one.inputs)
    predicted = f"{outputs} {one.predicted_task.outputs_words[outputs > 1]}"
    data = f"{task['samples']:,} {modality.plural} of {modality.in_words.format(**task)}, {predicted}"
    date = f"{one.date}  " if one.date else ""
    return f"{date}{data}: {one.winner}, {_score(one, one.test_score, 2)} test {one.predicted_task.words}"


def _score(one: RaceExperience, score: float, digits: int) -> str:
    """Format a score: in per cent, or as a number if the task has one."""
    return f"{100 * score:.{digits}f} %" if one.predicted_task.percent else f"{score:.3f}"


def _number(text: str) -> int:
    """Parse a record number; return 0 if the text is not one."""
    return int(text) if text.isdecimal() else 0
