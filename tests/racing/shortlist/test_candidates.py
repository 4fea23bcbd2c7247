"""Which networks a shortlist consists of."""

import numpy as np

from kerasnas.networks.runners_up import runners_up
from kerasnas.racing.shortlist.candidates import candidates, drawn
from kerasnas.spaces import DARTSSpace, NASBench201Space

SPACE = NASBench201Space()


def cell(digits):
    """A cell by the indices of its primitives on the edges 01, 02, 12, 03, 13, 23."""
    return SPACE.decode([int(digit) for digit in digits])


def digits(genotype):
    return "".join(map(str, SPACE.encode(genotype)))


def test_runners_up_change_one_decision_each_the_least_sure_first():
    weights = np.full((6, 5), 0.01)
    weights[:, 3] = 0.7
    weights[0, 2], weights[3, 1], weights[5, 4] = 0.1, 0.6, 0.3
    weights[4, 0] = 0.69  # `none` is never derived
    found = [digits(genotype) for genotype in runners_up(SPACE, cell("333333"), {"cell": weights})]
    assert found[:3] == ["333133", "333334", "233333"]
    assert len(found) == 6 and all(sum(a != b for a, b in zip(one, "333333", strict=True)) == 1 for one in found)


def test_runners_up_are_of_the_set():
    weights = np.full((6, 5), 0.1)
    weights[:, 1] = 0.4  # a second skip would be the best everywhere
    within = SPACE.reachable(max_skips=1)
    found = runners_up(SPACE, cell("133333"), {"cell": weights}, within)
    assert len(found) == 6 and all(genotype in within for genotype in found)


def test_runners_up_of_a_space_whose_nodes_keep_two_edges():
    space = DARTSSpace(filters=2, num_cells=2, num_nodes=2, primitives=["none", "skip_connect", "sep_conv_3x3"])
    rng = np.random.default_rng(0)
    supernet = space.build_supernet((8, 8, 1), 2)
    for variable in supernet.architecture_parameters:
        variable.assign(rng.normal(size=variable.shape))
    derived = supernet.derive()
    found = runners_up(space, derived, supernet.mixing_weights())
    assert len(found) == len(set(found)) == 2 * len(space.tables) and derived not in found
    for genotype in found:
        space.validate(genotype)
        changed = [
            (kind, node)
            for kind in genotype
            for node in (2, 3)
            if {edge for edge in genotype[kind] if edge.target == node}
            != {edge for edge in derived[kind] if edge.target == node}
        ]
        assert len(changed) == 1


def test_candidates_are_a_third_found_and_the_rest_scored():
    def score(genotype):  # the best: a skip over the whole cell, convolutions elsewhere
        own = digits(genotype)
        return own.count("3") + 2 * (own[3] == "1")

    within = SPACE.reachable(max_skips=1)
    found = [cell("222222"), cell("222224"), cell("333233")]
    chosen = [digits(genotype) for genotype in candidates(SPACE, found, 6, score, within)]
    assert chosen[:3] == ["222222", "222224", "333133"]
    assert len(set(chosen)) == 6
    far = cell("333143")  # no neighbor of what the ascent visits; what else was found is scored, too
    assert "333143" in map(digits, candidates(SPACE, [*found, far], 9, lambda g: 9.0 if g == far else score(g), within))
    scores = [score(cell(own)) for own in chosen[2:]]
    assert scores == sorted(scores, reverse=True)


def test_candidates_of_a_set_smaller_than_the_shortlist_are_all_of_it():
    space = NASBench201Space(num_nodes=1)
    every = [space.decode(indices) for indices in space]
    chosen = candidates(space, every[:1], 50, lambda genotype: 0.0)
    assert chosen[0] == every[0] and set(chosen) == set(every)


def test_without_a_proxy_the_others_are_drawn_at_random_within_the_set():
    start, within = cell("333333"), SPACE.reachable(max_skips=0)
    chosen = drawn(SPACE, [start, start], 5, within)
    assert chosen[0] == start and len(set(chosen)) == 5 and all(one in within for one in chosen)
    assert drawn(SPACE, [start], 5, within) == chosen != drawn(SPACE, [start], 5, within, seed=1)
    assert drawn(SPACE, [start, cell("333331")], 5, {start}) == [start]  # no more than there are
