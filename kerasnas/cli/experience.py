"""`kerasnas experience`: what earlier searches left for later ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from absl import flags

if TYPE_CHECKING:
    from kerasnas.meta import ExperienceStore
    from kerasnas.meta.race_experience import RaceExperience

ACTIONS = ("list", "show", "forget", "merge", "on", "off")


def experience(values: flags.FlagValues) -> None:
    """Do what the flag `action` says.

    Raises:
        ValueError: where it lacks its number or its file, or has one too many; and as `ExperienceStore`.
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
        "forget": lambda store: _forget(store, what),
        "merge": lambda store: _merge(store, what),
        "on": lambda store: _switch(store, True),
        "off": lambda store: _switch(store, False),
    }
    run[action](ExperienceStore())


def _list(store: ExperienceStore) -> None:
    found, notes = store.read()
    every = "on: every race and shortlist is remembered, and begins with what did best on similar data"
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
    clock = "of the processor" if one.budget["cpu"] else "by the clock"
    print(
        f"  budget     {one.budget['seconds']:g} s {clock}, on {(one.machine or {}).get('device', 'another machine')}"
    )
    if one.baseline is not None:
        print(f"  baseline   {_score(one, one.baseline, 1)} of the held-out {one.inputs}s")
    for candidate in one.candidates:
        curve = ", ".join(f"{_score(one, score, 1)} after {steps:,} steps" for steps, score in candidate["curve"])
        print(f"  {candidate['name']}: {curve or 'failed or not started'}")


def _forget(store: ExperienceStore, what: str) -> None:
    print(f"Forgotten: {_in_words(store.forget(_number(what)))}")


def _merge(store: ExperienceStore, what: str) -> None:
    added, notes = store.merge(what)
    for note in notes:
        print(note)
    print(f"{added} searches of {what} are new in {store.path}.")


def _switch(store: ExperienceStore, consent: bool) -> None:
    store.set_consent(consent)
    print(f"Experience is {'on' if consent else 'off'}. Searches that are remembered: {store.path}")


def _in_words(one: RaceExperience) -> str:
    from kerasnas.modalities import of_inputs

    task, outputs, modality = one.task, int(one.task["classes"]), of_inputs(one.inputs)
    predicted = f"{outputs} {one.predicted_task.outputs_words[outputs > 1]}"
    data = f"{task['samples']:,} {modality.plural} of {modality.in_words.format(**task)}, {predicted}"
    date = f"{one.date}  " if one.date else ""
    return f"{date}{data}: {one.winner}, {_score(one, one.test_score, 2)} test {one.predicted_task.words}"


def _score(one: RaceExperience, score: float, digits: int) -> str:
    """A score as its task is stated: in per cent, or as it is of numbers."""
    return f"{100 * score:.{digits}f} %" if one.predicted_task.percent else f"{score:.3f}"


def _number(text: str) -> int:
    """A number as it is typed; 0, which none has, for what is none."""
    return int(text) if text.isdecimal() else 0
