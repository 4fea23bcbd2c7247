"""The NAS-Bench-101 space: its cells, their hashes and counts, edits, and what it refuses."""

import itertools

import numpy as np
import pytest

from kerasnas.genotypes import Genotype
from kerasnas.spaces import NASBench101Space
from kerasnas.spaces.base import has_supernet
from kerasnas.spaces.nasbench101 import NASBENCH101_OPERATIONS
from kerasnas.spaces.nasbench101_cells import Cell, canonical, edge_list, graph_hash, one_edit_away, vertex_pairs
from kerasnas.spaces.nasbench101_enumeration import Cells, cell_indices, enumerate_cells

SPACE = NASBench101Space()
CONV3, CONV1, POOL = NASBENCH101_OPERATIONS
INCEPTION = [
    [0, 1, 1, 1, 0, 1, 0],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 1, 0, 0],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 0],
]
# (rows of the matrix, operations, hash, trainable parameters) of published results.
PUBLISHED = [
    (
        "0100110 0010000 0001001 0000010 0000010 0000001 0000000",
        [CONV3, POOL, CONV3, CONV3, CONV1],
        "00005c142e6f48ac74fdcf73e3439874",
        8_555_530,
    ),
    (
        "0100000 0010010 0001110 0000010 0000010 0000001 0000000",
        [CONV3, CONV1, CONV1, POOL, CONV1],
        "00011986aeb27419a476d219f3d9ba14",
        13_290_378,
    ),
]


def rng(seed=0):
    return np.random.default_rng(seed)


def matrix_of(text):
    return np.array([[int(bit) for bit in row] for row in text.split()])


def shuffled(matrix, operations, generator):
    """The same graph with its inner vertices in another order that the edges allow."""
    matrix, inner = np.asarray(matrix), len(matrix) - 2
    while True:
        order = [0, *(1 + generator.permutation(inner)), inner + 1]
        moved = matrix[np.ix_(order, order)]
        if not np.tril(moved).any():
            return moved, [operations[vertex - 1] for vertex in order[1:-1]]


def cell_of(cells, row):
    vertices, edges, code = (int(column[row]) for column in cells)
    return Cell(vertices, edges, tuple(code // 3**power % 3 for power in reversed(range(vertices - 2))))


# All cells ------------------------------------------------------------------------------------------------
def test_there_are_as_many_cells_as_published():
    cells = SPACE.enumerate_cells()
    assert np.bincount(cells.vertices).tolist() == [0, 0, 1, 6, 84, 2_441, 62_010, 359_082]
    assert len(cells.vertices) == 423_624
    assert len(np.unique(np.stack(cells), axis=1)[0]) == 423_624
    assert np.bitwise_count(cells.edges).max() == 9


def test_few_vertices_in_closed_form():
    """Two vertices: the edge. Three: a chain, with or without the skip. Four: all graphs by their hash."""
    assert len(enumerate_cells(2).vertices) == 1
    assert len(enumerate_cells(3).vertices) - 1 == 2 * 3
    hashes = set()
    for edges, operations in itertools.product(range(64), itertools.product(range(3), repeat=2)):
        cell = canonical(Cell(4, edges, operations))
        if cell is not None:
            hashes.add(graph_hash(cell))
    assert len(hashes) == 1 + 6 + 84 == len(enumerate_cells(4).vertices)


def test_small_cells_have_different_hashes():
    cells = enumerate_cells(5)
    assert len({graph_hash(cell_of(cells, row)) for row in range(len(cells.vertices))}) == 2_532


def test_enumerated_cells_are_canonical_and_iterated():
    cells = SPACE.enumerate_cells()
    rows = rng().choice(len(cells.vertices), 300, replace=False)
    for row, indices in zip(rows, cell_indices(Cells(*(column[rows] for column in cells))).tolist(), strict=True):
        cell = cell_of(cells, row)
        assert canonical(cell) == cell == SPACE.key(tuple(indices))
    for row, indices in zip(range(1500), SPACE, strict=False):
        assert SPACE.key(indices) == cell_of(cells, row)
    assert len(edge_list(7, int(cells.edges[-1]))) == int(np.bitwise_count(cells.edges[-1]))


# One cell -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("rows", "operations", "name", "parameters"), PUBLISHED)
def test_published_hash_and_parameters(rows, operations, name, parameters):
    genotype = SPACE.genotype(matrix_of(rows), operations)
    assert SPACE.hash(genotype) == name
    assert SPACE.parameters(genotype) == parameters


def test_the_order_of_vertices_plays_no_part():
    generator = rng()
    for _ in range(50):
        genotype = SPACE.sample(generator)
        matrix, operations = SPACE.matrix(genotype)
        other = shuffled(matrix, operations[1:-1], generator)
        assert SPACE.genotype(*other) == genotype
        pairs = vertex_pairs(len(matrix))
        edges = sum(1 << bit for bit, pair in enumerate(pairs) if other[0][pair])
        unordered = Cell(len(matrix), edges, tuple(NASBENCH101_OPERATIONS.index(name) for name in other[1]))
        assert graph_hash(unordered) == SPACE.hash(genotype)


def test_loose_ends_are_pruned():
    """Vertex 1 leads nowhere, vertex 2 is reached from nowhere."""
    matrix = [[0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    genotype = SPACE.genotype(matrix, ["input", CONV3, CONV1, POOL, "output"])
    assert genotype == SPACE.genotype([[0, 1, 0], [0, 0, 1], [0, 0, 0]], [POOL])
    assert genotype == Genotype("nasbench101", {"cell": [(POOL, 0, 1), ("output", 1, 2)]})


def test_the_limit_of_edges_holds_after_pruning():
    full = np.triu(np.ones((5, 5), int), 1)
    with pytest.raises(ValueError, match=r"it has 10 edges, pruned\. Expected at most 9"):
        SPACE.genotype(full, [CONV3] * 3)
    full[1:4, 4] = 0  # the inner vertices lead nowhere: one edge remains of seven
    assert SPACE.genotype(full, [CONV3] * 3) == SPACE.genotype([[0, 1], [0, 0]], [])
    wide = np.triu(np.ones((7, 7), int), 1)
    wide[1:6, 6] = 0  # 16 edges, of which one remains
    assert SPACE.genotype(wide, [CONV3] * 5) == SPACE.genotype([[0, 1], [0, 0]], [])


def test_choices_and_both_ways():
    assert list(SPACE.choices)[:3] == ["edge/0/1", "edge/0/2", "edge/1/2"] and len(SPACE.choices) == 26
    assert SPACE.size == 2**21 * 3**5
    generator = rng()
    for _ in range(100):
        indices = SPACE.sample_indices(generator)
        genotype = SPACE.decode(indices)
        assert SPACE.encode(genotype) == indices and SPACE.feasible(indices)
        assert SPACE.genotype(*SPACE.matrix(genotype)) == genotype
    assignment = SPACE.assignment(SPACE.genotype([[0, 1, 0], [0, 0, 1], [0, 0, 0]], [POOL]))
    assert [name for name, option in assignment.items() if option == "1"] == ["edge/0/1", "edge/1/6"]
    assert assignment["node/1"] == POOL and assignment["node/2"] == CONV3


@pytest.mark.slow
def test_samples_are_uniform_over_combinations():
    """Among graphs with every edge drawn by a coin, as a plain simulation finds them."""
    generator, expected = rng(1), []
    while len(expected) < 1000:
        matrix = np.triu(generator.integers(2, size=(7, 7)), 1)
        try:
            genotype = SPACE.genotype(matrix, [CONV3] * 5)
        except ValueError:
            continue
        expected.append(len(SPACE.matrix(genotype)[1]))
    drawn = [len(SPACE.matrix(SPACE.sample(generator))[1]) for _ in range(2000)]
    for vertices in range(2, 8):
        share = expected.count(vertices) / 1000
        assert (
            abs(drawn.count(vertices) / 2000 - share) < 5 * np.sqrt(share * (1 - share) * (1 / 1000 + 1 / 2000)) + 1e-3
        )


# Edits ------------------------------------------------------------------------------------------------------
def test_every_neighbor_is_found_by_mutation():
    generator, indices = rng(), SPACE.encode(SPACE.genotype(INCEPTION, [CONV1, CONV3, CONV3, CONV3, POOL]))
    neighbors = SPACE.neighbors(indices)
    assert len(set(neighbors)) == len(neighbors) == len({SPACE.key(neighbor) for neighbor in neighbors})
    assert {SPACE.mutate_indices(indices, generator) for _ in range(1000)} == set(neighbors)


def test_neighbors_of_a_full_graph_by_brute_force():
    """Seven vertices in use: an edit is a change of one choice, whatever the order of the vertices."""
    operations = [CONV1, CONV3, CONV3, CONV3, POOL]
    indices, changed = SPACE.encode(SPACE.genotype(INCEPTION, operations)), set()
    for order in itertools.permutations(range(1, 6)):
        matrix = np.array(INCEPTION)[np.ix_([0, *order, 6], [0, *order, 6])]
        if np.tril(matrix).any():
            continue
        bits = [int(matrix[pair]) for pair in vertex_pairs(7)]
        same = (*bits, *(NASBENCH101_OPERATIONS.index(operations[vertex - 1]) for vertex in order))
        for position, options in enumerate(SPACE.choices.values()):
            for option in range(len(options)):
                other = (*same[:position], option, *same[position + 1 :])
                if option != same[position] and SPACE.feasible(other):
                    changed.add(SPACE.key(other))
    assert {SPACE.key(neighbor) for neighbor in SPACE.neighbors(indices)} == changed


def test_the_smallest_cell_grows():
    """From the single edge: three operations on the one new vertex, which leaves the edge as a skip."""
    grown = one_edit_away(Cell(2, 0b1, ()))
    assert grown == [Cell(3, 0b111, (operation,)) for operation in range(3)]
    seen, front = {Cell(2, 0b1, ())}, [Cell(2, 0b1, ())]
    for _ in range(4):
        front = [other for cell in front for other in one_edit_away(cell) if other not in seen]
        seen.update(front)
    assert {cell.vertices for cell in seen} == {2, 3, 4, 5, 6}


def test_edits_leave_and_come_back():
    """Whatever is one edge or operation away, with nothing cut off, has its origin as a neighbor."""
    generator = rng()
    for _ in range(50):
        cell = SPACE.key(SPACE.sample_indices(generator))
        for other in one_edit_away(cell):
            if other.vertices == cell.vertices:
                assert cell in one_edit_away(other)


# What is refused --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("matrix", "operations", "message"),
    [
        ([[0, 0], [0, 0]], [], "no path leads from its input to its output"),
        ([[0, 1], [1, 0]], [], "no 1 on the diagonal or below"),
        ([[0, 2], [0, 0]], [], "Expected 0 and 1"),
        ([[0, 1, 1], [0, 0, 1]], [POOL], "square matrix"),
        (np.zeros((8, 8)), [POOL] * 6, "2 to 7 vertices"),
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], [], "Expected 1, one for each vertex"),
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["maxpool"], "Did you mean 'maxpool3x3'"),
    ],
)
def test_wrong_matrices_are_reported(matrix, operations, message):
    with pytest.raises(ValueError, match=message):
        SPACE.genotype(matrix, operations)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"normal": [("output", 0, 1)]}, "one cell, 'cell'"),
        ({"cell": [(POOL, 0, 1), (CONV1, 0, 2), (POOL, 1, 2), ("output", 2, 3)]}, "carry its operation"),
        ({"cell": [("output", 0, 1), ("output", 0, 1)]}, "no edge is there twice"),
        ({"cell": [(POOL, 0, 1), ("output", 1, 3)]}, "Received none to: \\[2\\]"),
        ({"cell": [(POOL, 0, 1), (POOL, 0, 2), ("output", 1, 3)]}, "loose ends"),
        ({"cell": [(POOL, 0, 1), (CONV1, 1, 2)]}, "Expected 1, one for each"),
        ({"cell": [("sep_conv_3x3", 0, 1), ("output", 1, 2)]}, "no operation 'sep_conv_3x3'"),
        ({"cell": [("output", 0, 1), ("output", 1, 2)]}, "no operation 'output'"),
    ],
)
def test_wrong_genotypes_are_reported(cells, message):
    with pytest.raises(ValueError, match=message):
        SPACE.validate(Genotype("nasbench101", cells))


def test_other_spaces_and_supernets_are_reported():
    with pytest.raises(ValueError, match="has no supernet"):
        SPACE.build_supernet((8, 8, 3), 3)
    with pytest.raises(ValueError, match="no path"):
        SPACE.decode((0,) * 26)
    with pytest.raises(ValueError, match="no path"):
        SPACE.mutate_indices((0,) * 26, rng())
    assert not SPACE.feasible((0,) * 26) and not SPACE.feasible((1,) * 26)


# All published cells that are at hand -------------------------------------------------------------------------
@pytest.mark.slow
def test_all_hashes_and_parameters_of_five_vertices(published):
    with np.load(published("nb101_5v_4epochs.npz")) as file:
        table = {name: file[name] for name in file.files}
    names = [*NASBENCH101_OPERATIONS, "input", "output"]
    assert len(table["hash"]) == 2_532
    for row, vertices in enumerate(table["n_vertices"]):
        operations = [names[operation] for operation in table["ops"][row][:vertices]]
        genotype = SPACE.genotype(table["adjacency"][row][:vertices, :vertices], operations)
        assert SPACE.hash(genotype) == table["hash"][row]
        assert SPACE.parameters(genotype) == table["params"][row]


@pytest.mark.slow
def test_all_hashes_differ_and_the_sample_is_their_beginning(published):
    """The sample holds the cells with the 20,001 least hashes: none may be missing, none be there twice."""
    cells = SPACE.enumerate_cells()
    hashes = sorted(graph_hash(cell_of(cells, row)) for row in range(len(cells.vertices)))
    assert len(set(hashes)) == 423_624
    assert hashes[:20_001] == sorted(np.load(published("nb101_20k_inverted.npz"))["hash"].tolist())


def test_size_for_data_and_a_race_in_it():
    """Its choices shape the network: there is no supernet, so that a race asks for the size that suits the data."""
    assert NASBench101Space.shapes_network and not has_supernet("nasbench101")
    assert [NASBench101Space.for_data((32, 32, 3), 10, number).filters for number in (1000, 100_000)] == [16, 32]
    assert NASBench101Space.for_data((32, 32, 3), 10, 1000, filters=8).filters == 8
