"""How do learning curves of a race go on? Exponents learned from its raw runs, each domain left out in turn.

    python benchmarks/curves.py benchmarks/results/value_*.json

Every run of value.py says how good its winner was at two looks within the race, and after its whole training. For each
kind of network the table shows the usual exponent (see `kerasnas.racing.curves`) whose expected ends are nearest to the
real ones, in squared differences averaged over domains; the range of those exponents with one domain left out; and how
far expected and real ends differ, by one exponent for all networks and by that of the kind without the domain itself.
Kinds of fewer than three domains, and races on images of parts, are left out.

Where several networks were trained alone for the same time on the same data, the lower table shows whom a race would
train, and by how many points that one ends behind the best of them: the leader after the second look; by expected ends
with one exponent for all; and with that of a kind, learned from other domains, where it is nearer there by a point.
Last, how far real leads of two networks are from those expected then, root mean squares over pairs; over sets they are
`kerasnas.racing.rungs.SPREAD`.
"""

from __future__ import annotations

import collections
import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import skeleton
import tracked

from kerasnas.racing.curves import USUAL, extrapolated

SAME = {  # sets of one domain
    **dict.fromkeys(("bccd_cells", "chula_rbc"), "cells"),
    **dict.fromkeys(("cifar10_mini", "cifar10_16", "caltech101", "objects", "objects64"), "objects"),
    **dict.fromkeys(("rsscn7", "satellite", "satellite64"), "scenes"),
    **dict.fromkeys(("kannada", "kannada_ood", "kannada_writers"), "kannada"),
    **dict.fromkeys(("notmnist", "fashion_mnist_mini"), "grey images"),
}
OF_PARTS = {"addnist", "multnist", "cifartile", "language", "gutenberg"}
HELD_OUT = 400  # samples that early scores are means of, in most of these races
PAYING = 1.0  # point by which a kind's own exponent has to be nearer, to be used
EXPONENTS = np.arange(0, 0.81, 0.01)


class Ended:
    """A network that a race began and trained to the end.

    Args:
        run: a raw run of value.py.
    """

    def __init__(self, run):
        name, curve = run["winner"], run["curves"][run["winner"]]
        self.set = run["set"].partition(",")[0]
        self.domain, self.alone = SAME.get(self.set, self.set), run["contender"].startswith(("alone_", "plain_first"))
        self.kind = re.sub(r"^given-|_w[\d.]+$", "", name) if "@" not in name else "begun"
        self.looks = [look for look in curve["looks"] if look[0]][-2:]
        steps = 1000 * run["training_seconds"] / curve["ms"]
        self.left, self.end = math.log2(steps / self.looks[-1][0]), run["accuracy"]

    def expected(self, exponent):
        """Return the end that is expected by a usual exponent."""
        (before, early), (now, late) = self.looks
        return extrapolated(early, late, math.log2(now / before), self.left, exponent, HELD_OUT)


def ended(paths):
    """Return what ended in files of raw runs, once each."""
    found = {}
    for path in paths:
        for run in json.loads(path.read_text()).get("runs", []):
            curve = run.get("curves", {}).get(run.get("winner"), {"looks": []})["looks"]
            if len(curve) >= 2 and curve[0][0] and run["set"] not in OF_PARTS:
                found[run["set"], run["winner"], run["cpu_minutes"], run["seed"], run["accuracy"]] = Ended(run)
    return [one for one in found.values() if one.left > 0.5]


def by(key, networks):
    """Return networks by a property of theirs."""
    groups = collections.defaultdict(list)
    for one in networks:
        groups[getattr(one, key)].append(one)
    return dict(groups)


def learned(networks):
    """Return the exponent by which expected ends are nearest to real ones."""
    domains = by("domain", networks).values()
    squares = [
        np.mean([[(one.expected(each) - one.end) ** 2 for each in EXPONENTS] for one in own], 0) for own in domains
    ]
    return round(float(EXPONENTS[np.argmin(np.mean(squares, 0))]), 2)


def without(networks, domain):
    """Return the exponent learned from other domains; that of all where there are fewer than two."""
    others = [one for one in networks if one.domain != domain]
    return learned(others) if len(by("domain", others)) > 1 else USUAL


def paying(networks, domain):
    """Return the exponent learned from other domains if there, each left out in turn, it is nearer by a point."""
    others = [one for one in networks if one.domain != domain]
    left_out = {name: without(others, name) for name in by("domain", others)}
    gain = errors(others, lambda one: USUAL) - errors(others, lambda one: left_out[one.domain])
    return without(others, domain) if gain >= PAYING else USUAL


def errors(networks, exponent):
    """Return how far expected ends are from real ones on average over domains, in points."""
    found = [
        np.mean([abs(one.expected(exponent(one)) - one.end) for one in own]) for own in by("domain", networks).values()
    ]
    return round(100 * float(np.mean(found)), 1)


def main():
    arguments = skeleton.arguments(__doc__, "runs", runs={"type": Path, "nargs": "+"})
    networks = ended(arguments.runs)
    table = tracked.Table(
        ["network", "domains", "runs", "exponent", "one left out", "error, 0.1 for all", "error, own"]
    )
    for kind, own in by("kind", networks).items():
        domains = by("domain", own)
        if len(domains) < 3:
            continue
        left_out = {domain: without(own, domain) for domain in domains}
        spread = f"{min(left_out.values()):.2f} to {max(left_out.values()):.2f}"
        own_errors = errors(own, lambda one, found=left_out: found[one.domain])
        table.add([kind, len(domains), len(own), learned(own), spread, errors(own, lambda one: USUAL), own_errors])
    code, runs = ["kerasnas/racing/curves.py"], [vars(one) for one in networks]
    arguments.runs = "benchmarks/results/value_*.json"
    question = "How do learning curves of a race go on, by kind of network?"
    tracked.record(arguments, table.rows, code=code, runs=runs, question=question)
    print()
    columns = ["data", "trained alone", "early leader", "0.1 for all", "own where it pays", "leads off by"]
    table, squares = tracked.Table(columns), []
    kinds = by("kind", networks)
    for name, own in by("set", [one for one in networks if one.alone]).items():
        if len(own) < 2:
            continue
        choices = {
            "leader": lambda one: one.looks[-1][1],
            "one": lambda one: one.expected(USUAL),
            "own": lambda one: one.expected(paying(kinds[one.kind], one.domain)),
        }
        best = max(one.end for one in own)
        regrets = [round(100 * (best - max(own, key=choice).end), 1) for choice in choices.values()]
        ends = ", ".join(f"{one.kind} {100 * one.end:.1f}" for one in sorted(own, key=lambda one: -one.end))
        off = [choices["own"](one) - one.end for one in own]
        squares.append(np.mean([(first - second) ** 2 for first, second in itertools.combinations(off, 2)]))
        table.add([name, ends, *regrets, round(100 * float(np.sqrt(squares[-1])), 1)])
    print(f"Leads are off by {100 * np.sqrt(np.mean(squares)):.1f} points (root mean square over sets).")
    alone = [vars(one) for one in networks if one.alone]
    question = "And whom would a race train by that?"
    tracked.record(arguments, table.rows, code=code, runs=alone, part="choices", question=question)


if __name__ == "__main__":
    main()
