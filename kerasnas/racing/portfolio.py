"""Candidates of a race: a portfolio of networks known from other data, hand-made references, random networks."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import importlib.resources
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.racing.curves import USUAL
from kerasnas.racing.entrants.contestant import WARMUP
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.macro import WHOLE, MacroSpace


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network that takes part in a race.

    Args:
        name: unique in its race.
        genotype: the network.
        kind: `"reference"`, a hand-made network that users know; `"default"`, one that was good on other data;
            `"given"`, the user's own; `"remembered"`, one that did well in an earlier search; `"initialized"`, one that
            begins from what was learned from other data; `"pretrained"`, one made from a network that was pretrained on
            photographs; or `"random"`.
        initializer: the name of the initialization that it begins from. Defaults to "": its weights are drawn.
        learning_rate: that it is trained with. Defaults to 0: the recipe's.
        warmup: steps in which its learning rate rises. Defaults to 50.
        batch_size: samples of its batches, at most. Defaults to 0: the race's.
        exponent: of its learning curve on other data, see `kerasnas.racing.curves`. Defaults to that of most networks.
        favorite: whether it was the best on other data: in doubt it wins. Defaults to False.
    """

    name: str
    genotype: Genotype
    kind: str
    initializer: str = ""
    learning_rate: float = 0.0
    warmup: int = WARMUP
    batch_size: int = 0
    exponent: float = USUAL
    favorite: bool = False


T = TypeVar("T")
_FILE = "portfolio.json"
"""Plans in the order in which they are tried, placed by hand; the file says by which trainings."""


def portfolio(
    space: SearchSpace,
    number: int,
    seed: int = 0,
    given: Mapping[str, Genotype] | None = None,
    allowed: Callable[[Genotype], bool] = lambda genotype: True,
    remembered: Sequence[Genotype] = (),
    leads: bool = True,
    initialized: tuple[str, Genotype] | None = None,
    begun: Mapping[Genotype, str] | None = None,
    patient: Callable[[], bool] = lambda: True,
) -> list[Candidate]:
    """At most `number` candidates for a race in `space`, those with the best prospects first.

    In the macro space a strong default is the first, the user's own follow, then networks of divided images, if the
    space has any, references and further defaults. In
    other spaces the user's own are the first. Last come random networks of the space, of which every race of four or
    more has one, as a measure of what the rest is worth.

    Networks that did well in earlier searches come before those that are known of other data; but no more than a third
    of `number`, so that experience that misleads costs little.

    Args:
        space: the search space.
        number: how many candidates; more where more are given.
        seed: of the random ones. Defaults to 0.
        given: name -> network that takes part whatever the limits, of any space. One that another candidate's name
            belongs to is called `given-<name>`. Defaults to none.
        allowed: whether a network of `space` is within the user's limits. Defaults to all.
        remembered: networks of `space` within the limits that did well on similar data, the best first. Defaults to
            none, which changes nothing.
        leads: False if none of them may be the first: one that is too slow would leave no time for a race. Defaults to
            True.
        initialized: name of an initialization, and the network of `space`, within the limits, that begins from it. It
            is the first, followed by the same network with drawn weights: its control. Defaults to none.
        begun: network of divided images -> name of the initialization that what its parts pass begins from. Defaults to
            none.
        patient: whether there is time to draw one more. Defaults to always.

    Returns:
        The candidates; fewer where the space, or the limits, leave fewer.

    Raises:
        ValueError: if `number` is not positive.
    """
    checks.size("number", number)
    known = _known(space, allowed)
    front = _remembered(remembered[: max(1, number // 3)], known)
    place, moves = (0, True) if leads else (min(1, len(known)), bool(known))
    known = [*(_initialized(*initialized, known) if initialized else []), *known[:place], *front, *known[place:]]
    divided = [_begun(one, begun or {}) for one in _known(space, allowed, divided=True)]
    if divided or getattr(space, "inputs", "image") != "image":  # curves were learned from whole images
        known = [dataclasses.replace(candidate, exponent=USUAL) for candidate in known]
    elif isinstance(space, MacroSpace):
        known[:1] = [dataclasses.replace(candidate, favorite=True) for candidate in known[:1]]
    known = _distinct([*known[:1], *divided, *known[1:]])
    own = _given(given or {}, known)
    least_random = 1 if number >= 4 else 0
    candidates = _distinct([*own, *known])[: max(number - least_random, len(own))]
    if (
        len(candidates) > len(own) and moves
    ):  # one whose worth is known is the first: what it finds out is asked of all others
        candidates.insert(0, candidates.pop(len(own)))
    rng, asked = np.random.default_rng([seed, 4]), set[Genotype]()
    for _ in range(20 * number):
        if len(candidates) >= number or not patient():
            break
        sampled = space.sample(rng)
        genotype = None if sampled in asked else widest(space.narrowed(sampled), allowed)
        asked.add(sampled)
        if genotype is not None and genotype not in {candidate.genotype for candidate in candidates}:
            index = sum(candidate.kind == "random" for candidate in candidates) + 1
            candidates.append(Candidate(f"random-{index}", genotype, "random"))
    return candidates


def named_networks(space: SearchSpace) -> dict[str, Genotype]:
    """Name -> network, of the references and defaults of a space, in all widths."""
    if not isinstance(space, MacroSpace):
        return space.references()
    plans = [widths for divided in (False, True) for widths in _plans(space, divided).values()]
    return {candidate.name: candidate.genotype for widths in plans for candidate in widths}


def _given(given: Mapping[str, Genotype], known: Sequence[Candidate]) -> list[Candidate]:
    """The user's own, each network once, under names that no other candidate has."""
    taken = {candidate.name for candidate in known}
    names = {name: f"given-{name}" if name in taken or name.startswith("random-") else name for name in given}
    return _distinct([Candidate(names[name], genotype, "given") for name, genotype in given.items()])


def _remembered(genotypes: Sequence[Genotype], known: Sequence[Candidate]) -> list[Candidate]:
    """Candidates of remembered networks; one that is known keeps its name."""
    names = {candidate.genotype: candidate for candidate in reversed(known)}
    new = [genotype for genotype in dict.fromkeys(genotypes) if genotype not in names]
    names |= {one: Candidate(f"remembered-{index}", one, "remembered") for index, one in enumerate(new, start=1)}
    return [names[genotype] for genotype in genotypes]


def _initialized(start: str, genotype: Genotype, known: Sequence[Candidate]) -> list[Candidate]:
    """The candidate that begins from an initialization, and the same network without, whose curve goes on alike."""
    drawn = Candidate(f"plain-{start}", genotype, "default")
    drawn = next((candidate for candidate in known if candidate.genotype == genotype), drawn)
    begun = _begun(drawn, {genotype: start})
    return [begun, dataclasses.replace(drawn, exponent=begun.exponent)]


def _begun(candidate: Candidate, starts: Mapping[Genotype, str]) -> Candidate:
    """The candidate that begins from the initialization of its network; the same where there is none."""
    if not (start := starts.get(candidate.genotype)):
        return candidate
    return Candidate(f"{candidate.name}@{start}", candidate.genotype, "initialized", start)


@functools.cache
def known_plans() -> dict[str, dict[str, Any]]:
    """Return the bundled portfolio: name -> stem, width, blocks, halving, depths, and what else is known, if anything.

    Example:

    >>> sorted(next(iter(known_plans().values())))
    ['blocks', 'depths', 'exponent', 'halving', 'stem', 'width']
    """
    text = importlib.resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    return {plan.pop("name"): plan for plan in json.loads(text)["candidates"]}


def _known(space: SearchSpace, allowed: Callable[[Genotype], bool], divided: bool = False) -> list[Candidate]:
    """Return the portfolio and the references, or networks of divided images, each as wide as the limits allow.

    In the order of the file, or, where the limits make its first one narrower, in that of its entries `"narrow"`: deep
    networks have too few filters left then, and what is best depends on the data. References that are not in the file
    come last; those of a user's own kind of macro space are second: they are why the space was asked for.
    """
    if not isinstance(space, MacroSpace):
        points = {} if divided else space.references()
        return [Candidate(name, genotype, "reference") for name, genotype in points.items() if allowed(genotype)]
    plans = _plans(space, divided)
    fitting = {name: widest(widths, lambda one: allowed(one.genotype)) for name, widths in plans.items()}
    found = {name: candidate for name, candidate in fitting.items() if candidate is not None}
    if next(iter(found.values()), None) in [widths[0] for widths in plans.values() if widths]:
        return list(found.values())
    order = known_plans()
    return [found[name] for name in sorted(found, key=lambda name: order.get(name, {}).get("narrow", math.inf))]


def widest(networks: Sequence[T], allowed: Callable[[T], bool]) -> T | None:
    """Return the first of networks, the widest first, that is allowed; a narrower one needs less. None if none is."""
    if not networks or allowed(networks[0]):
        return next(iter(networks), None)
    place = bisect.bisect_left(networks, True, lo=1, key=allowed)
    return networks[place] if place < len(networks) else None


def _plans(space: MacroSpace, divided: bool) -> dict[str, list[Candidate]]:
    """Return each plan of the portfolio, and then the references, in all of its widths, the widest first, by name."""
    names = ("stem", "width", "blocks", "halving", "depths")
    plans = {name: plan for name, plan in known_plans().items() if ("division" in plan) == divided}
    if divided:
        plans = _divided(plans, space.divisions)
    for name, reference in ({} if divided else space.plans).items():
        plans.setdefault(name, dict(zip(names, reference, strict=True)))
    first, users = next(iter(plans), ""), set(space.plans) - set(MacroSpace.plans)
    candidates: dict[str, list[Candidate]] = {}
    for name in sorted(plans, key=lambda name: (name != first, name not in users)):
        plan, found = plans[name], candidates.setdefault(name, [])
        kind = "reference" if name in space.plans else "default"
        for width in sorted((width for width in space.widths if width <= plan["width"]), reverse=True):
            sizes = (plan["stem"], width, plan["blocks"], plan["halving"], plan["depths"])
            genotype = space.network(*sizes, plan.get("division", WHOLE))
            if genotype is not None:
                narrow = width < plan["width"]
                own = f"{name}_w{width:g}" if narrow else name
                exponent = plan.get("exponent", USUAL)
                found.append(Candidate(own, genotype, "default" if narrow else kind, exponent=exponent))
    return candidates


def _divided(plans: Mapping[str, Mapping[str, Any]], divisions: Sequence[str]) -> dict[str, Any]:
    """Return the plans for each of `divisions`; those for tiles, or for lines, are for any number of these."""
    return {
        f"{division}{name.removeprefix(plan['division'])}": {**plan, "division": division}
        for division in divisions
        for name, plan in plans.items()
        if division.split("_")[0] == plan["division"]
    }


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Each network once from each start: small images make several plans the same."""
    found: dict[tuple[Genotype, str], Candidate] = {}
    for candidate in candidates:
        found.setdefault((candidate.genotype, candidate.initializer), candidate)
    return list(found.values())
