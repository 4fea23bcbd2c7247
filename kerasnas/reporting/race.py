"""Part of a report that is about a race: its table, its curves, and its verdict in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasnas.records import Race, Record
from kerasnas.reporting.charts import line_chart
from kerasnas.reporting.comparisons import Comparison
from kerasnas.reporting.measures import doubt_in_words, finite, task_in
from kerasnas.reporting.tables import MISSING, Table, duration, show
from kerasnas.tasks import Task

KINDS = {  # of a contestant: what it is in a table, and in a sentence
    "reference": ("hand-made", "a hand-made"),
    "default": ("strong default", "a default"),
    "given": ("your own", "your own"),
    "remembered": ("good on similar data", "a remembered"),
    "initialized": ("pretrained weights", "a pre-trained"),
    "pretrained": ("pretrained on photographs", "a pretrained"),
    "random": ("random", "a random"),
}


def _start_sentence(start: Mapping[str, Any]) -> str:
    """Return a sentence on the pretrained network that a winner is made from."""
    modes = set(start["stages"])
    how = "as it is, with a head of its own" if modes == {"frozen"} else f"its stages are {', '.join(start['stages'])}"
    return (
        f"It is made from {start['title']} for images of {start['size']}x{start['size']}, pretrained on "
        f"{start['learned_from']} ({start['source']}; licence: {start['licence']}): {how}."
    )


def _reference_sentences(result: Record, race: Race, task: Task) -> list[str]:
    """Return a sentence on what wins: what is handed over, or the best of the models without a network."""
    models, reached = race.references, result.searched.metrics.get(f"test_{task.metric}")
    if not models or reached is None:
        return []
    best = max(models, key=lambda one: task.merit(one["score"]))
    others = ", ".join(f"{one['name']} {task.show(one['score'])}" for one in models)
    ahead = task.merit(reached) > task.merit(best["score"])
    lead = f"It is ahead of {best['name']} alone" if ahead else f"No network is needed: {best['name']} wins"
    if reached == best["score"]:
        lead = f"{best['name'].capitalize()} alone is as good"
    return [f"{lead}. Test {task.words}: handed over {task.show(reached)}, {others}."]


def _lead(race: Race, task: Task) -> list[str]:
    """Return the winner's lead over the runner-up, and over the best that lacks what it owes its lead to."""
    winner, contestants = race.winner, race.contestants
    kinds: dict[str, set[str]] = {"the runner-up": set(KINDS), "the best random network beside it": {"random"}}
    if contestants[winner].kind == "pretrained":
        kinds["the best network without such a start"] = set(KINDS) - {"pretrained"}
    sentences, told = [], {gain["control"] for gain in race.initialization if gain["name"] == winner}
    for words, group in kinds.items():
        others = [one for one in race.comparison if contestants[one["name"]].kind in group]
        if not others:
            continue
        best = min(others, key=lambda one: one["difference"])
        if best["name"] in told:
            continue
        told.add(best["name"])
        steps, theirs = (contestants[name].rungs[best["rung"] - 1]["steps"] for name in (winner, best["name"]))
        stands, sure = _stands(best, steps, theirs, task)
        ends = [contestants[name].rungs[best["rung"] - 1].get("expected") for name in (winner, best["name"])]
        if None not in ends:
            doubtful = contestants[winner].favorite and ends[0] < ends[1]
            if best["difference"] < 0 or doubtful:
                sure += "; their curves were expected to end at {} and {}".format(*map(task.show_score, ends))
            if doubtful:
                sure += ", and in doubt the network that was the best on other data wins"
        sentences.append(
            f"On {race.validation_samples:,} held-out {race.samples} it was {stands} {best['name']}, {words}, {sure}."
        )
    return sentences


def _stands(pair: Mapping[str, Any], steps: int, theirs: int, task: Task) -> tuple[str, str]:
    """Return the words for a paired difference after so many steps: how far ahead or behind, and how sure that is."""
    lead, reach = task.show_lead(pair["difference"], pair["error"])
    doubt = doubt_in_words(pair["difference"], pair["error"])
    stands = f"{lead} {'ahead of' if pair['difference'] >= 0 else 'behind'}"
    trained = (
        f"{steps:,} steps of training each" if steps == theirs else f"{steps:,} steps of training against {theirs:,}"
    )
    return stands, f"after {trained} (95 % interval ± {reach}){doubt}"


def gain_sentence(gain: Mapping[str, Any], task: Task) -> str:
    """Return the gain of an initialization in words, by the network with drawn weights beside it."""
    stands, sure = _stands(gain, gain["steps"], gain["steps"], task)
    return (
        f"Starting from the pretrained weights {gain['initializer']}, {gain['name']} was {stands} "
        f"{gain['control']}, the same network with random weights, {sure}."
    )


def _lag(task: Task, lag: Mapping[str, Any]) -> str:
    lead, reach = task.show_lead(lag["difference"], lag["error"])
    sign = "-" if lag["difference"] < 0 else ""
    return f"{sign}{lead.removesuffix(' points')} ± {reach}{' points' if task.percent else ''}"


def symmetry_table(result: Record) -> Table:
    """Return the symmetries of the data: accuracy on transformed images, and whether each became an augmentation."""
    race = result.required("race")
    rows = [
        [name, f"{100 * min(share, 1.0):.0f} %", "yes" if name in race.augment else "no"]
        for name, share in race.kept.items()
    ]
    return Table(["transformation", "recognized, beside images held out", "augmentation"], rows)


class RaceComparison(Comparison):
    """Networks of a race."""

    title = "Race"
    limits = (
        "A race compares networks on held-out data after part of their training; it says nothing about networks that "
        "did not take part."
    )

    def sentences(self, record: Record) -> list[str]:
        race: Race = record.required("race")
        winner, contestants, raced = race.winner, race.contestants, race.compared
        kind, heats = KINDS[contestants[winner].kind][1], race.heats
        if len(raced) < 2:
            first = (
                f"The budget was too short to compare candidates; {winner}, {kind} network, was trained for the "
                "whole budget."
            )
        else:
            first = f"{winner}, {kind} network, won a race of {len(raced) + heats} networks"
            first += f", {heats} of which ran on small {race.samples} alone." if heats else "."
        task = task_in(record)
        gains = [gain_sentence(gain, task) for gain in race.initialization]
        sentences = [first, *map(_start_sentence, race.starts), *gains, *_lead(race, task)]
        if baseline := race.baseline:
            last = contestants[winner].rungs[-1]
            # The winner was at the start of its training then: what it reaches in the end counts.
            ended = record.searched.metrics.get(f"test_{task.score_metric}")
            ahead = baseline["accuracy"] > max(last["accuracy"], 0.0 if ended is None else task.merit(ended))
            gets, beside = (task.show_score(one["accuracy"]) for one in (baseline, last))
            sentences.append(
                f"A {baseline['name']} gets {gets} there, the winner {beside} after {last['steps']:,} steps"
                f"{': try it before any network' if ahead else ''}."
            )
        sentences += _reference_sentences(record, race, task)
        accuracy = finite(record.searched.metrics.get(f"test_{task.metric}"))
        if accuracy is not None:
            interval = task.interval_in_words(record["searched"], accuracy, record.dataset.test_examples)
            linear, how = record.searched.linear, "Trained on all of the data"
            words = (linear or {}).get("words", "linear model")
            if linear and linear.get("network", {}).get("used", True):
                how = f"With a {words} next to it"
            elif linear:
                how = f"The network adds nothing to the {words}. Handed over alone"
            sentences.append(f"{how}, it reaches {task.show(accuracy)} test {task.words}{interval}.")
            if (trainings := record.searched.trainings) > 1:
                sentences.append(f"Its answer is the mean of the networks of {trainings} trainings.")
            if (views := record.searched.views) > 1:
                sentences.append(f"Its answer is the mean over {views} views of each sample.")
        return sentences

    def table(self, record: Record) -> Table:
        race: Race = record.required("race")
        behind = {one["name"]: one for one in race.comparison}
        task = task_in(record)
        header = ["network", "what it is", f"validation {task.score_words}", "after", "behind the winner"]
        header += ["parameters", "MACs", "outcome"]
        rows = []
        for name, entry in race.ranked:
            last = entry.rungs[-1] if entry.rungs else None
            lag = behind.get(name)
            rows.append(
                [
                    name,
                    KINDS[entry.kind][0],
                    task.show_score(last["accuracy"]) if last else "-",
                    f"{last['seconds']:.0f} s, {last['steps']:,} steps" if last else "-",
                    _lag(task, lag) if lag else "-",
                    show(entry.parameters),
                    show(entry.macs),
                    entry.outcome,
                ]
            )
        if baseline := race.baseline:
            rows.append([baseline["name"], "no network", task.show_score(baseline["accuracy"]), "-", "-", "-", "-", ""])
        for one in race.references:
            rows.append([one["name"], "no network", f"test {task.show(one['score'])}", "-", "-", "-", "-", ""])
        return Table(header, rows)

    def standings(self, record: Record) -> list[dict[str, Any]]:
        rows, task = [], task_in(record)
        for name, one in record.required("race").ranked:
            score = task.value_of(one.last["accuracy"]) if one.last else None
            row = {"name": name, "score": score, "kind": KINDS[one.kind][0]}
            rows.append({**row, "parameters": one.parameters, "seconds": one.step_seconds, "outcome": one.outcome})
        return rows

    def leaderboard(self, record: Record) -> Table:
        task = task_in(record)
        rows = [
            [
                one["name"],
                MISSING if one["score"] is None else task.show_score(task.merit(one["score"])),
                show(one["parameters"]),
                duration(one["seconds"]),
                one["outcome"] or "in the race",
            ]
            for one in self.standings(record)
        ]
        return Table(["candidate", f"held-out {task.score_words}", "parameters", "step", "outcome"], rows)

    def chart(self, record: Record) -> str:
        race: Race = record.required("race")
        if len(race.compared) < 2:
            return ""
        winner, task = f"{race.winner} (winner)", task_in(record)
        series = {
            winner if name == race.winner else name: [
                (rung["steps"], task.value_of(rung["accuracy"])) for rung in entry.rungs
            ]
            for name, entry in race.ranked
            if entry.rungs
        }
        title = f"{task.score_words[0].upper()}{task.score_words[1:]} on held-out {race.samples}"
        curves = line_chart(series, title, "steps of training", task.percent, strong=winner, dots=True)
        sizes = {
            name: [(one.parameters, task.value_of(one.rungs[0]["accuracy"]))]
            for name, one in race.ranked
            if one.rungs and one.parameters
        }
        steps = next((one[1] for one in race.rungs), 0)
        title = f"{task.score_words[0].upper()}{task.score_words[1:]} after {steps:,} steps of training each"
        front = line_chart(sizes, title, "parameters", task.percent, powers=True) if len(sizes) > 1 else ""
        return f'<div class="charts">{curves}{front}</div>'

    def training(self, record: Record) -> str:
        if len(record.required("race").compared) > 1:
            return "it won a race, and was trained on from its weights there"
        return "it was the only candidate"
