"""Who takes part in a race, and in which order."""

import dataclasses

import numpy as np
import pytest

from kerasnas.racing.curves import USUAL
from kerasnas.racing.portfolio import known_plans, portfolio
from kerasnas.spaces import MacroSpace, NASBench201Space

SPACE = MacroSpace()


def test_the_most_promising_come_first_and_one_is_drawn_at_random():
    found = portfolio(SPACE, 12)
    assert len(found) == len({candidate.genotype for candidate in found}) == len({c.name for c in found}) == 12
    assert found[-1].kind == "random" and sum(candidate.kind == "random" for candidate in found) >= 1
    assert [candidate.name for candidate in found[:5]] == list(known_plans())[:5]
    references = {candidate.name for candidate in found if candidate.kind == "reference"}
    assert references == set(SPACE.references())
    assert portfolio(SPACE, 12) == found
    assert [c.name for c in portfolio(SPACE, 3)] == [c.name for c in found[:3]]  # too few for one at random
    assert portfolio(SPACE, 4)[-1].kind == "random"
    random = [portfolio(SPACE, 4, seed)[-1].genotype for seed in range(3)]
    assert len(set(random)) == 3
    assert "random" not in {candidate.kind for candidate in portfolio(SPACE, 12, patient=lambda: False)}


def test_exponents_of_learning_curves_are_those_of_images():
    curves = [{one.exponent for one in portfolio(MacroSpace(inputs=inputs), 12)} for inputs in ("image", "signal")]
    assert len(curves[0]) > 1 and curves[1] == {USUAL}


@pytest.mark.parametrize(
    "names",
    [["channels_vgg"], ["tiles_1x3_vgg"], ["rows_cnn", "columns_cnn"], ["rows_in_3_cnn", "rows_cnn"]],
)
def test_networks_of_divided_images_follow_the_first_and_take_no_part_in_other_spaces(names):
    divisions = [name.rpartition("_")[0] for name in names]
    space, known = MacroSpace(divisions=("whole", *divisions)), portfolio(SPACE, 12)
    first, *others = portfolio(space, 12)
    divided, others = others[: len(names)], others[len(names) :]
    assert first == dataclasses.replace(known[0], exponent=USUAL, favorite=False)
    assert [one.name for one in divided] == names
    assert [space.assignment(one.genotype)["division"] for one in divided] == divisions
    assert others[:8] == known[1:9] and not set(names) & {candidate.name for candidate in known}
    begun = portfolio(space, 5, initialized=("start", first.genotype))
    assert [one.name for one in begun[: 2 + len(names)]] == ["vgg_3x3@start", *names, "vgg_3x3"]
    assert {one.exponent for one in begun} == {USUAL}  # how curves go on was learned from other images


def test_the_first_is_the_favorite_where_it_was_the_best_on_such_data():
    start = ("start", SPACE.references()["cnn"])
    for own in ({}, {"initialized": start}, {"given": {"mine": start[1]}}, {"leads": False}):
        assert [one.favorite for one in portfolio(SPACE, 6, **own)] == [True, *[False] * 5]
    for other in (MacroSpace(inputs="signal"), MacroSpace(divisions=("whole", "channels")), NASBench201Space()):
        assert not any(one.favorite for one in portfolio(other, 6))


def test_references_of_the_users_own_macro_space_follow_the_first():
    class Own(MacroSpace):
        plans = {**MacroSpace.plans, "wide": ("conv_5x5", 1.5, "conv_3x3", "pool", (1, 1, 1))}

    assert [one.name for one in portfolio(Own(), 12)][:2] == ["vgg_3x3", "wide"]


def test_how_their_curves_go_on_was_learned_from_other_data():
    drawn, other, *_ = portfolio(SPACE, 5)
    assert [one.exponent for one in (drawn, other)] == [0.44, USUAL]
    begun, control, *_ = portfolio(SPACE, 5, initialized=("start", drawn.genotype))
    assert control.genotype == drawn.genotype and control.exponent == begun.exponent == USUAL  # only the start differs
    within = portfolio(SPACE, 12, allowed=lambda genotype: genotype != drawn.genotype)
    assert [one.exponent for one in within if one.name.startswith("vgg_3x3_w")] == [0.44]


def test_the_users_own_follow_the_best_known_and_are_never_cut():
    cell = NASBench201Space(filters=2).sample(np.random.default_rng(0))  # of another space
    given = {"mine": SPACE.sample(np.random.default_rng(1)), "cell": cell}
    found = portfolio(SPACE, 3, given=given, allowed=lambda genotype: genotype.space == "macro")
    assert [(c.name, c.kind, c.genotype) for c in found[1:]] == [(name, "given", given[name]) for name in given]
    assert found[0].name == portfolio(SPACE, 3)[0].name
    for number in (1, 2):
        assert [c.name for c in portfolio(SPACE, number, given=given)] == ["mine", "cell"]
    assert [c.name for c in portfolio(NASBench201Space(), 3, given=given)] == ["mine", "cell", "random-1"]
    assert [c.name for c in portfolio(SPACE, 3, given=given, allowed=lambda genotype: False)] == ["mine", "cell"]


def test_names_stay_unique():
    known = SPACE.references()
    own = SPACE.sample(np.random.default_rng(1))
    found = portfolio(SPACE, 12, given={"cnn": own, "random-1": SPACE.sample(np.random.default_rng(2)), "vgg": own})
    assert len({candidate.name for candidate in found}) == 12
    assert [c.name for c in found if c.kind == "given"] == ["given-cnn", "given-random-1"]  # each network once
    (mine,) = (c for c in portfolio(SPACE, 12, given={"mine": known["vgg_3x3"]}) if c.genotype == known["vgg_3x3"])
    assert mine.name == "mine"


def test_no_network_is_measured_twice():
    space, asked = NASBench201Space(filters=2, num_nodes=1, primitives=("none", "skip_connect")), []
    assert portfolio(space, 5, allowed=lambda genotype: bool(asked.append(genotype))) == []
    assert len(asked) == len(set(asked)) == space.size


def test_a_limit_makes_networks_narrower_and_those_with_few_layers_the_first():
    asked, whole = [], {one.name: one.genotype for one in portfolio(SPACE, 12)}

    def allowed(genotype):
        asked.append(genotype)
        return float(SPACE.assignment(genotype)["width"]) <= 0.4

    found = portfolio(SPACE, 6, allowed=allowed)
    assert [one.name for one in found[:3]] == ["vgg_halved_w0.375", "conv_deep_w0.375", "cnn_w0.375"]
    assert {SPACE.assignment(one.genotype)["width"] for one in found} == {"0.375"}  # the widest there is
    assert len(asked) < 60  # of 14 networks in up to eight widths
    assert found[1].genotype in SPACE.narrowed(whole["conv_deep"])
    assert portfolio(SPACE, 6, allowed=lambda genotype: False) == []


def test_small_images_make_plans_the_same_and_each_network_takes_part_once():
    small = MacroSpace.for_data((4, 4, 1), 10, 100)
    found = portfolio(small, 12)
    assert len({candidate.genotype for candidate in found}) == len(found) > 3


def test_another_space_gives_random_networks():
    space = NASBench201Space(filters=2, num_cells=1)
    found = portfolio(space, 3)
    assert [candidate.kind for candidate in found] == ["random"] * 3
    for candidate in found:
        space.validate(candidate.genotype)


def test_without_experience_nothing_changes_and_remembered_networks_come_first():
    before = portfolio(SPACE, 12)
    assert portfolio(SPACE, 12, remembered=(), leads=False) == portfolio(SPACE, 12, remembered=()) == before
    new, known = SPACE.sample(np.random.default_rng(5)), before[4]
    found = portfolio(SPACE, 12, remembered=(known.genotype, new))
    assert found[0] == dataclasses.replace(known, favorite=True)  # with its name and its prior
    assert (found[1].name, found[1].kind, found[1].genotype) == ("remembered-1", "remembered", new)
    assert found[2:5] == [dataclasses.replace(before[0], favorite=False), *before[1:3]]
    assert len(found) == len({one.genotype for one in found}) == 12
    behind = portfolio(SPACE, 12, remembered=(new, known.genotype), leads=False)
    assert behind[0] == before[0] and [one.genotype for one in behind[1:3]] == [new, known.genotype]


def test_experience_takes_a_third_at_most_and_the_users_own_stay():
    rng = np.random.default_rng(6)
    many = tuple(dict.fromkeys(SPACE.sample(rng) for _ in range(9)))
    assert sum(one.kind == "remembered" for one in portfolio(SPACE, 12, remembered=many)) == 4
    assert [one.genotype for one in portfolio(SPACE, 1, remembered=many)] == [many[0]]
    given = {"mine": many[-1]}
    found = portfolio(SPACE, 6, given=given, remembered=many)
    assert [one.kind for one in found[:3]] == ["remembered", "given", "remembered"]
    cells = NASBench201Space()
    drawn = (cells.sample(rng), cells.sample(rng))
    assert portfolio(cells, 3, given=given, remembered=drawn, leads=False)[0].kind == "given"
    assert portfolio(cells, 3, given=given, remembered=drawn)[0].kind == "remembered"


def test_an_initialized_network_comes_first_and_its_control_is_behind_it():
    start = ("good", SPACE.references()["cnn"])
    found = portfolio(SPACE, 8, initialized=start)
    assert [c.name for c in found[:3]] == ["cnn@good", "cnn", "vgg_3x3"]
    assert [c.initializer for c in found[:3]] == ["good", "", ""]
    assert [c.kind for c in found[:3]] == ["initialized", "reference", "reference"]
    assert found[1:2] == [c for c in portfolio(SPACE, 12) if c.name == "cnn"]
    mine = portfolio(SPACE, 8, given={"mine": SPACE.sample(np.random.default_rng(1))}, initialized=start)
    assert [c.name for c in mine[:3]] == ["cnn@good", "mine", "cnn"]


def test_a_network_without_a_name_has_a_control_too():
    own = SPACE.sample(np.random.default_rng(5))
    first, second, *_ = portfolio(SPACE, 5, initialized=("mine", own))
    assert (first.name, first.genotype, second.name, second.genotype) == ("plain-mine@mine", own, "plain-mine", own)
