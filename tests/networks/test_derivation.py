"""Derivation: the strongest choice, and the most probable one within limits, against brute force."""

import functools
import itertools
import math
import types

import numpy as np
import pytest

from kerasnas.cost import COSTS, CostModel
from kerasnas.networks import ChoiceTable
from kerasnas.networks.decisions import table_decisions
from kerasnas.networks.derivation import choose, count_skips, decision, kept_above, total_cost
from kerasnas.networks.skeleton import cell_edges
from kerasnas.relaxations import Sigmoid
from kerasnas.spaces import DARTSSpace, NASBench201Space

PRIMITIVES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")


def every_edge(weights):
    return [decision("cell", weights, [row], PRIMITIVES) for row in range(len(weights))]


def brute_force(decisions, max_skips, cost, limit):
    best, best_score = None, -math.inf
    for combination in itertools.product(*decisions):
        if max(count_skips(combination).values()) > max_skips or total_cost(cost, combination) > limit:
            continue
        score = sum(option.score for option in combination)
        if score > best_score:
            best, best_score = combination, score
    return best, best_score


@pytest.mark.parametrize("seed", range(20))
def test_limited_choice_is_the_most_probable_one(seed):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(4) * 0.5, 5)
    decisions = every_edge(weights)
    cost = types.SimpleNamespace(base=3.0, tables={"cell": rng.integers(0, 50, (5, 4)).astype(float)})
    totals = sorted(total_cost(cost, combination) for combination in itertools.product(*decisions))
    max_skips, limit = int(rng.integers(0, 3)), totals[len(totals) // 3]
    expected, score = brute_force(decisions, max_skips, cost, limit)
    found = choose(decisions, max_skips, cost, limit)
    assert total_cost(cost, found) <= limit
    if expected is None:  # so few skips cost too much: as few more as must be
        fewest = min(count_skips(c)["cell"] for c in itertools.product(*decisions) if total_cost(cost, c) <= limit)
        assert count_skips(found)["cell"] == fewest
        return
    assert count_skips(found)["cell"] <= max_skips
    # Costs are rounded up to 1/4096 of the limit: a combination within a thousandth of it may be passed over.
    _, tight_score = brute_force(decisions, max_skips, cost, limit * 0.998)
    assert tight_score <= sum(option.score for option in found) <= score


def test_cells_of_darts_within_limits():
    rng = np.random.default_rng(0)
    primitives = ("none", "skip_connect", "sep_conv_3x3")
    weights = {kind: rng.dirichlet(np.ones(3), len(cell_edges(2))) for kind in ("normal", "reduce")}
    own = ChoiceTable(cell_edges(2), primitives, keep=2)
    decisions = [d for kind, table in weights.items() for d in table_decisions(kind, table, own)]
    costs = {kind: rng.integers(1, 30, (len(cell_edges(2)), 3)).astype(float) for kind in weights}
    cost = types.SimpleNamespace(base=0.0, tables=costs)
    limit = float(np.median([total_cost(cost, c) for c in itertools.product(*decisions)]))
    expected, _ = brute_force(decisions, 1, cost, limit)
    found = choose(decisions, 1, cost, limit)
    assert [option.picks for option in found] == [option.picks for option in expected]
    assert set(count_skips(found)) == {"normal", "reduce"}


def test_a_choice_within_the_limits_is_the_plain_one():
    weights = np.array([[0.1, 0.6, 0.2, 0.1], [0.1, 0.1, 0.7, 0.1], [0.1, 0.5, 0.1, 0.3]])
    plain = choose(every_edge(weights))
    assert choose(every_edge(weights), max_skips=2) == plain
    capped = choose(every_edge(weights), max_skips=1)
    assert [option.picks[0][1] for option in capped] == [1, 2, 3]  # the skip that is weaker against the next goes


def test_a_limit_that_leaves_nothing_to_choose_takes_what_is_free():
    weights = np.tile([0.1, 0.2, 0.3, 0.4], (3, 1))
    cost = types.SimpleNamespace(base=2.0, tables={"cell": np.array([[0.0, 0.0, 5.0, 9.0]] * 3)})
    assert [option.picks[0][1] for option in choose(every_edge(weights), None, cost, 2.0)] == [1, 1, 1]


def test_a_limit_equal_to_the_cheapest_but_for_rounding_is_met():
    """The costs added in another order may come to a last bit less; a limit that is really lower is not met."""
    decisions = every_edge(np.full((3, 4), 0.25))
    cost = types.SimpleNamespace(base=0.1, tables={"cell": np.array([[9, 9, 0.3, 7]] * 3)}, unit=" ms", least="fastest")
    least = total_cost(cost, [options[1] for options in decisions])
    for limit in (1.0 + 1e-9, least, math.nextafter(least, 0)):
        assert [option.picks[0][1] for option in choose(decisions, None, cost, limit)] == [2, 2, 2]
    with pytest.raises(ValueError, match=r"No network of .* limit of 0\.9.*The fastest network there is has 1 ms"):
        choose(decisions, None, cost, least - 1e-6)


def test_a_supernet_derives_within_limits():
    space = NASBench201Space(filters=2, num_cells=1)
    supernet = space.build_supernet((8, 8, 3), 3)
    skips = np.zeros((6, 5), "float32")
    skips[:, 1] = 2
    skips[:, 3] = np.linspace(0, 1, 6)
    supernet.alphas["cell"].assign(skips)
    assert supernet.derive().count("skip_connect") == 6
    capped = supernet.derive(max_skips=2)
    space.validate(capped)
    assert [edge.primitive for edge in capped["cell"]] == ["skip_connect"] * 2 + ["nor_conv_3x3"] * 4
    cost = CostModel("cost", "", 0.0, supernet.choices, {"cell": np.array([[0.0, 0, 1, 9, 0]] * 6)})
    assert supernet.derive(max_skips=2, cost=cost, limit=0.0).count("skip_connect") == 2


# FairDARTS ----------------------------------------------------------------------------------------------
FAIR = ("skip_connect", "max_pool_3x3", "sep_conv_3x3")


@functools.cache
def built(sparse, **arguments):
    space = DARTSSpace(filters=2, num_cells=1, num_nodes=2, primitives=FAIR, sparse=sparse)
    return space, space.build_supernet((8, 8, 1), 2, Sigmoid(**arguments))


def fair_supernet(sigmas, sparse=True, **arguments):
    """A supernet of two nodes whose sigmoids are `sigmas`, `(5, 3)`."""
    space, supernet = built(sparse, **arguments)
    (alphas,) = supernet.alphas.values()
    alphas.assign(np.log(sigmas) - np.log1p(-np.asarray(sigmas)))
    return space, supernet


SIGMAS = [[0.90, 0.2, 0.1], [0.3, 0.84, 0.6], [0.95, 0.2, 0.86], [0.1, 0.96, 0.99], [0.2, 0.94, 0.3]]


def test_fair_darts_keeps_what_exceeds_the_threshold():
    """Node 2: one edge of two. Node 3: of three that exceed it the two strongest, each with its strongest."""
    space, supernet = fair_supernet(SIGMAS)
    genotype = supernet.derive()
    assert [tuple(edge) for edge in genotype["reduce"]] == [
        ("skip_connect", 0, 2),
        ("none", 1, 2),
        ("skip_connect", 0, 3),
        ("sep_conv_3x3", 1, 3),
    ]
    space.validate(genotype)
    assert space.decode(space.encode(genotype)) == genotype and genotype in space.reachable()
    assert any(space.reachable().sample(np.random.default_rng(seed)).count("none") for seed in range(5))
    network = space.build_network(genotype, (8, 8, 1), 2)
    assert not any("none" in layer.name for layer in network.layers)
    cost = COSTS["parameters"](space, (8, 8, 1), 2)
    assert cost.cost(genotype) == sum(np.prod(v.shape) for v in network.trainable_variables)


def test_fair_darts_threshold_is_a_setting_and_includes_its_end():
    _, supernet = fair_supernet([[0.9, 0.2, 0.1], [0.3, 0.75, 0.6], *SIGMAS[2:]], threshold=0.7)
    assert supernet.derive().count("none") == 0
    options = decision("cell", np.array([[0.85], [0.84]]), [0, 1], ("skip_connect",), keep=2)
    assert [option.left_out for option in kept_above(options, 0.85, ("skip_connect",))] == [(1,)]


def test_fair_darts_with_nothing_above_the_threshold_keeps_nothing():
    space, supernet = fair_supernet(np.full((5, 3), 0.5))
    genotype = supernet.derive()
    assert genotype.count("none") == 4
    assert space.build_network(genotype, (8, 8, 1), 2).output_shape == (None, 2)


def test_fair_darts_leaves_nothing_out_of_a_space_of_two_edges_a_node():
    _, supernet = fair_supernet(SIGMAS, sparse=False)
    assert [tuple(edge) for edge in supernet.derive()["reduce"]][:2] == [("skip_connect", 0, 2), ("max_pool_3x3", 1, 2)]


def test_a_skip_below_the_threshold_does_not_count_among_the_skips():
    _, supernet = fair_supernet([[0.90, 0.2, 0.1], [0.5, 0.3, 0.2], *SIGMAS[2:]])
    genotype = supernet.derive(max_skips=2)
    assert genotype.count("skip_connect") == 2 and genotype.count("none") == 1
