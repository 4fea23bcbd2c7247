"""Bad inputs: whatever comes, a public call answers with one clear line that names the argument.

Every call below is tried with each of its arguments replaced by each of `BAD`, and a tuple or a list with its last
element replaced. It raises ValueError or TypeError with the argument's name, unless `ALLOWED` says why the value is a
good one. Nothing else gets out: no AttributeError, KeyError, IndexError or error of NumPy's own.

To add a function or a constructor, write one line with arguments that are right: `call(function, argument=value, ...)`.
"""

import functools
import inspect
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from kerasnas import datasets, pareto
from kerasnas.datasets import Episode
from kerasnas.drift import DriftMonitor, ErrorSum, MaximumTest, error_run_length, fisher_p_value, input_statistics
from kerasnas.federated import ClientInfo, InProcess, Update, Values, federate, outer_step, weighted_mean
from kerasnas.genotypes import DARTS_V1, Genotype
from kerasnas.primitives import Graph
from kerasnas.registry import Registry
from kerasnas.search import (
    ASHA,
    BANANAS,
    BOHB,
    NSGA2,
    AttentionPolicy,
    Controller,
    EHVISearch,
    Hyperband,
    LocalSearch,
    PredictorSearch,
    RandomSearch,
    RegularizedEvolution,
    Reinforce,
    SuccessiveHalving,
    TPESearch,
)
from kerasnas.spaces import NASBENCH201_PRIMITIVES, ENASMicroSpace, GraphSpace, NASBench201Space
from kerasnas.spaces.nasbench101_enumeration import Cells
from kerasnas.strategies.ehvi import expected_hypervolume_improvement
from kerasnas.strategies.ensemble import NetworkEnsemble
from kerasnas.strategies.policies import Adam, CategoricalPolicy, LSTMPolicy
from kerasnas.tabular import NASBench101, NASBench201, NATSBenchSize, NATSBenchSizeSpace, Table
from kerasnas.tabular.nasbench_graph import NASBenchGraphSpace

BAD = {
    "None": None,
    "NaN": math.nan,
    "infinity": math.inf,
    "-1": -1,
    "0": 0,
    "0.5": 0.5,
    "huge": 10**400,
    "True": True,
    "text": "x",
    "empty text": "",
    "bytes": b"x",
    "[]": [],
    "{}": {},
    "[None]": [None],
    "ragged": [[1], [1, 2]],
    "object": object(),
    "function": len,
    "NaN array": np.array([np.nan]),
    "text array": np.array(["x"]),
    "object array": np.array([None]),
}


class Call(NamedTuple):
    """A public function or constructor with arguments that are right."""

    function: Callable[..., Any]
    name: str
    arguments: dict[str, Any]


CALLS: list[Call] = []


def call(function: Callable[..., Any], name: str | None = None, /, **arguments: Any) -> None:
    """Add a function; a method of an object that a call changes is given as `fresh(make, "method")`."""
    CALLS.append(Call(function, name or getattr(function, "__qualname__", str(function)), arguments))


def fresh(make: Callable[[], Any], method: str) -> Callable[..., Any]:
    """The method of a new object for each call."""

    @functools.wraps(getattr(make(), method))
    def function(**arguments: Any) -> Any:
        return getattr(make(), method)(**arguments)

    function.__qualname__ = f"{type(make()).__name__}.{method}"
    return function


# Arguments that are right ----------------------------------------------------------------------------
SPACE = NASBench201Space()
GENOTYPE = SPACE.decode((3,) * 6)
IMAGES, LABELS = np.random.default_rng(0).random((12, 8, 8, 1)), np.arange(12) % 3
EPISODE = Episode((IMAGES[:2], LABELS[:2]), (IMAGES[2:], LABELS[2:]))
REWARDS = np.array([[1.0, 2.0], [2.0, 1.0]])
RNG = np.random.default_rng(0)
TABLE = NASBench201("three", np.array([[0] * 6, [1] * 6, [3] * 6]), NASBENCH201_PRIMITIVES, {"valid_12": np.ones(3)})
BATCHES = datasets.ArrayBatches(IMAGES, LABELS, 4)
TPE = {"space": SPACE, "seed": 0, "good_share": 0.2, "candidates": 2, "random_share": 0.3, "bandwidth_factor": 2.0}
ENSEMBLE = {"inputs": np.ones((2, 3)), "targets": np.zeros(2), "members": 2, "units": 2, "layers": 1, "steps": 1}
PHOTOS = Path(tempfile.mkdtemp()) / "photos.npz"
np.savez(PHOTOS, x=np.zeros((3, 8, 8, 3), "uint8"), y=[0, 1, 2], split=[0, 1, 2], classes=["a", "b", "c"])
CELLS = Cells(np.array([2]), np.array([1]), np.array([0]))


VALUES = Values([np.zeros(2)])


class Still:
    """A client that learns nothing."""

    def describe(self):
        return ClientInfo("still", 3, (2,))

    def train(self, values, number, rounds):
        return Update(values, 3)


def told(strategy):
    strategy.tell(GENOTYPE, 1.0)
    return strategy


# strategies
call(RandomSearch, space=SPACE, seed=0, unique=True)
call(LocalSearch, space=SPACE, seed=0, unique=True)
call(RegularizedEvolution, space=SPACE, seed=0, population_size=10, sample_size=3, unique=True)
call(NSGA2, space=SPACE, seed=0, population_size=4, objectives=2, mutation_probability=0.5, unique=True)
call(EHVISearch, space=SPACE, seed=0, unique=True, initial=10, batch_size=2, reference=(0.0, 0.0), objectives=2)
call(expected_hypervolume_improvement, means=REWARDS, deviations=REWARDS, front=REWARDS, reference=(0.0, 0.0))
call(fresh(lambda: EHVISearch(SPACE), "tell"), genotype=GENOTYPE, reward=(0.5, 1.0))
call(Reinforce, space=SPACE, seed=0, learning_rate=0.1, baseline_decay=0.9, unique=True)
call(
    Controller,
    space=SPACE,
    seed=0,
    algorithm="ppo",
    units=4,
    temperature=5.0,
    tanh_constant=2.5,
    learning_rate=0.1,
    baseline_decay=0.9,
    entropy_weight=0.1,
    batch_size=2,
    ppo_epochs=2,
    ppo_clip=0.2,
    unique=True,
    attention=False,
    skip_weight=0.8,
    skip_target=0.4,
)
call(PredictorSearch, space=SPACE, seed=0, unique=True, initial=10, batch_size=2, cost_limit=1.0)
call(BANANAS, space=SPACE, seed=0, unique=True, initial=10, batch_size=2, members=2)
call(NetworkEnsemble, **ENSEMBLE, rng=RNG, learning_rate=0.1, weight_decay=0.1)
call(TPESearch, **TPE, unique=True)
call(BOHB, **TPE, budgets=(1, 3), eta=3)
call(ASHA, strategy=RandomSearch(SPACE), budgets=(1, 3), eta=3)
call(fresh(lambda: ASHA(RandomSearch(SPACE), (1, 3)), "tell"), genotype=GENOTYPE, reward=0.5, budget=1)
call(fresh(lambda: ASHA(RandomSearch(SPACE), (1, 3)), "set_state"), state=ASHA(RandomSearch(SPACE), (1, 3)).get_state())
call(fresh(lambda: BOHB(SPACE, (1, 3)), "set_state"), state=BOHB(SPACE, (1, 3)).get_state())
call(Hyperband, strategy=RandomSearch(SPACE), budgets=(1, 3), eta=3)
call(SuccessiveHalving, strategy=RandomSearch(SPACE), budgets=(1, 3), eta=3)
call(fresh(lambda: RandomSearch(SPACE), "ask"), n=2)
call(fresh(lambda: RandomSearch(SPACE), "tell"), genotype=GENOTYPE, reward=0.5)
call(fresh(lambda: RandomSearch(SPACE), "set_state"), state=told(RandomSearch(SPACE)).get_state())
call(fresh(lambda: NSGA2(SPACE), "tell"), genotype=GENOTYPE, reward=(0.5, 1.0))
call(fresh(lambda: Reinforce(SPACE), "set_parameters"), parameters=Reinforce(SPACE).get_parameters())
call(fresh(lambda: PredictorSearch(SPACE, cost_limit=2.0), "tell"), genotype=GENOTYPE, reward=0.5, cost=1.0)
call(fresh(lambda: Hyperband(RandomSearch(SPACE), (1, 3)), "ask"), n=2)
call(fresh(lambda: Hyperband(RandomSearch(SPACE), (1, 3)), "tell"), genotype=GENOTYPE, reward=0.5, budget=1)
call(
    fresh(lambda: Hyperband(RandomSearch(SPACE), (1, 3)), "set_state"),
    state=Hyperband(RandomSearch(SPACE), (1, 3)).get_state(),
)
call(CategoricalPolicy, cardinalities=(2, 3))
call(LSTMPolicy, cardinalities=(2, 3), units=4, temperature=5.0, tanh_constant=2.5, seed=0)
call(
    AttentionPolicy,
    space=ENASMicroSpace(num_nodes=1),
    units=4,
    temperature=5.0,
    tanh_constant=2.5,
    skip_target=0.4,
    seed=0,
)
call(Adam, learning_rate=0.1)

# spaces
call(fresh(lambda: SPACE, "reachable"), max_skips=1, allow_none=True)
call(fresh(lambda: SPACE.reachable(), "sample"), rng=RNG)

# graphs
call(Graph, edges=[[0, 1], [1, 2]], num_nodes=3)
call(GraphSpace, graph=Graph([[0, 1]], 2), filters=4, num_nodes=2, primitives=["gcn", "fc"], dropout=0.5)
call(fresh(GraphSpace, "to_table"), genotype=GraphSpace().decode((0,) * 8))
call(
    fresh(GraphSpace, "from_table"),
    genotype=Genotype("nasbench_graph", {"cell": [("gcn", node, node + 1) for node in range(4)]}),
)
call(
    datasets.GraphDataset,
    name="three",
    graph=Graph([[0, 1]], 3),
    x=np.ones((3, 2)),
    y=[0, 1, -1],
    parts={"train": [0, 1], "validation": [], "test": []},
    classes=("a", "b"),
)
call(
    datasets.stochastic_blocks,
    nodes=30,
    classes=2,
    features=4,
    degree=3.0,
    homophily=0.8,
    signal=0.2,
    train_per_class=2,
    seed=0,
)

# datasets
call(
    datasets.ArrayBatches,
    x=IMAGES,
    y=LABELS,
    batch_size=4,
    seed=0,
    initial_epoch=1,
    augment=datasets.flip,
    sample_weight=np.ones(12),
    drop_remainder=True,
)
call(fresh(lambda: BATCHES, "set_epoch"), epoch=1)
call(datasets.PairedBatches, training=BATCHES, validation=BATCHES)
call(fresh(lambda: datasets.PairedBatches(BATCHES, BATCHES), "skip"), steps=1)
call(datasets.shift, batch=IMAGES, rng=RNG, pixels=2)
call(datasets.flip, batch=IMAGES, rng=RNG)
call(datasets.cutout, batch=IMAGES, rng=RNG, size=2)
call(datasets.color_jitter, batch=IMAGES, rng=RNG, amount=0.2)
call(lambda functions: datasets.compose(functions), "compose", functions=datasets.flip)
call(datasets.check_images, x=IMAGES, y=LABELS, num_classes=3, input_shape=(8, 8, 1), what="training")
call(datasets.stratified_split, y=LABELS, fraction=0.5, seed=0)
call(datasets.split_classes, y=LABELS, sizes=(1, 2), seed=0)
call(datasets.load, name_or_path="fashion_mnist_mini", cache_dir=".", image_size=None, seed=0)
call(
    datasets.ImageDataset,
    name="toy",
    x_train=IMAGES,
    y_train=0 * LABELS,
    x_test=IMAGES,
    y_test=0 * LABELS,
    classes=("a",),
)
call(datasets.LabelledImages, x=IMAGES, y=0 * LABELS, classes=("a",), alphabets=("A",))
call(
    fresh(lambda: datasets.LabelledImages(IMAGES, LABELS, ("a", "b", "c"), ("A", "A", "B")), "of_alphabets"),
    names=["A"],
)
call(lambda split, size: datasets.mini_imagenet(split, size, path=PHOTOS), "mini_imagenet", split="validation", size=8)
call(datasets.glyphs, classes=2, samples=2, size=8, jitter=1.0, seed=0)
call(datasets.waveforms, train_samples=6, test_samples=6, length=8, noise=0.5, seed=0)
call(datasets.Episode, support=(IMAGES, LABELS), query=(IMAGES, LABELS))
call(datasets.check_episode, episode=EPISODE)
call(datasets.stack_episodes, episodes=[EPISODE, EPISODE])
call(
    datasets.SinusoidTasks,
    shots=2,
    query_shots=2,
    amplitude=(1.0, 2.0),
    phase=(0.0, 1.0),
    inputs=(-1.0, 1.0),
    seed=0,
)
call(fresh(datasets.SinusoidTasks, "episode"), index=1)
call(fresh(datasets.SinusoidTasks, "batch"), index=1, tasks=2)
call(
    datasets.EpisodeSampler,
    x=IMAGES,
    y=LABELS,
    ways=2,
    shots=1,
    query_shots=2,
    rotations=(0, 90),
    classes=[0, 1],
    seed=0,
)

# drift
NETWORK = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
POINTS = np.random.default_rng(0).normal(size=(40, 2))
SIDES = (POINTS[:, 0] > 0).astype(int)
call(input_statistics, x=IMAGES)
call(MaximumTest, reference=POINTS, false_alarms=0.01, permutations=100, seed=0)
call(fresh(lambda: MaximumTest(POINTS), "statistics"), sample=POINTS)
call(fresh(lambda: MaximumTest(POINTS), "threshold"), size=20)
call(error_run_length, error=0.1, down=1, up=6, threshold=31)
call(ErrorSum, error=0.1, rise=0.05, run_length=100.0)
call(fresh(lambda: ErrorSum(0.1), "observe"), errors=np.array([True, False]))
call(fisher_p_value, errors=1, labels=4, reference_errors=1, reference_labels=4)
call(
    DriftMonitor,
    model=NETWORK,
    x_reference=POINTS,
    y_reference=SIDES,
    false_alarms=0.01,
    window=20,
    rise=0.05,
    classes=("left", "right"),
    seed=0,
)
call(fresh(lambda: DriftMonitor(NETWORK, POINTS, SIDES), "observe"), x=POINTS, y=SIDES)
call(fresh(lambda: DriftMonitor(NETWORK, POINTS, SIDES), "observe_outputs"), outputs=POINTS)
call(fresh(lambda: DriftMonitor(NETWORK, POINTS, SIDES), "observe_errors"), errors=SIDES > 0)

# tables
call(Table, name="toy", space=SPACE, columns={"valid_1": np.ones(2)}, row=len, genotype=len)
call(fresh(lambda: TABLE, "column"), name="valid_12")
call(fresh(lambda: TABLE, "lookup"), genotype=GENOTYPE, column="valid_12")
call(fresh(lambda: TABLE, "query"), genotype=GENOTYPE, epochs=12, repeat=0)
call(
    NASBench201,
    name="one",
    ops=np.zeros((1, 6), int),
    op_names=NASBENCH201_PRIMITIVES,
    columns={"valid_1": np.ones(1)},
)
call(NASBench201.synthetic, seed=0)
call(
    NASBench101,
    cells=CELLS,
    hashes=np.zeros((1, 2), np.uint64),
    columns={"valid_1": np.ones(1)},
)
call(NATSBenchSize, name="two", channels=np.array([[8] * 5, [16] * 5]), columns={"valid_90": np.ones(2)})
call(NATSBenchSizeSpace().from_string, text="8:8:8:8:8")
call(NATSBenchSizeSpace().to_string, genotype=NATSBenchSizeSpace().decode((0,) * 5))
call(NASBenchGraphSpace, links=[[0, 0], [0, 1]], operations=["gcn", "gat"])

# the leaves
call(Genotype, space="toy", cells={"normal": [("none", 0, 2)]})
call(GENOTYPE.count, primitive="none")
call(Genotype.from_json, text=GENOTYPE.to_json())
call(Genotype.from_paper_string, text=DARTS_V1.to_paper_string(), space="darts")
call(Registry, kind="thing")
call(fresh(lambda: Registry("thing"), "register"), name="first", factory=len)
call(pareto.dominates, one=[1.0, 2.0], other=[2.0, 1.0])
call(pareto.non_dominated, rewards=REWARDS)
call(pareto.non_dominated_sort, rewards=REWARDS)
call(pareto.crowding_distance, rewards=REWARDS)
call(pareto.hypervolume, rewards=REWARDS, reference=(0.0, 0.0))
call(pareto.staircase, costs=[1.0, 2.0], values=[1.0, 2.0])

# federated
call(weighted_mean, members=[[np.zeros(1)], [np.ones(1)]], shares=[1, 3])
call(outer_step, values=VALUES, updates=[Update(VALUES, 3)], step=1.0, architecture_step=1.0)
call(InProcess, clients=[Still()])
call(
    federate,
    clients=[Still()],
    values=VALUES,
    rounds=2,
    participation=1.0,
    step=1.0,
    architecture_step=1.0,
    seed=0,
    initial_round=1,
)

# Why values of `BAD` are right after all -----------------------------------------------------------
TEXT = {"text", "empty text"}
NUMBERS = {"-1", "0", "0.5"}


def of(labels):
    return {f"element {label}" for label in labels}


ALLOWED: dict[str, tuple[set[str], list[str]]] = {
    "a rate, a weight or a limit": (
        {"0.5"},
        [
            *("Reinforce-learning_rate", "Controller-temperature", "Controller-tanh_constant", "Controller-ppo_clip"),
            *("Controller-learning_rate", "PredictorSearch-cost_limit", "PredictorSearch.tell-cost"),
            *("LSTMPolicy-temperature", "LSTMPolicy-tanh_constant", "Adam-learning_rate"),
            *("AttentionPolicy-temperature", "AttentionPolicy-tanh_constant", "AttentionPolicy-skip_target"),
            *("Controller-skip_target", "TPESearch-good_share", "TPESearch-bandwidth_factor"),
            *("BOHB-good_share", "BOHB-bandwidth_factor", "NetworkEnsemble-learning_rate"),
            *("outer_step-step", "outer_step-architecture_step", "federate-participation", "federate-step"),
            "federate-architecture_step",
            *("MaximumTest-false_alarms", "DriftMonitor-false_alarms", "DriftMonitor-rise"),
            *("error_run_length-error", "ErrorSum-error", "ErrorSum-rise", "stochastic_blocks-degree"),
        ],
    ),
    "0 leaves the baseline, the entropy or the variation out": (
        {"0", "0.5"},
        [
            "Reinforce-baseline_decay",
            "Controller-baseline_decay",
            "Controller-entropy_weight",
            "Controller-skip_weight",
            "glyphs-jitter",
            "color_jitter-amount",
            *("NetworkEnsemble-weight_decay", "TPESearch-random_share", "BOHB-random_share"),
            *("stochastic_blocks-homophily", "stochastic_blocks-signal"),
        ],
    ),
    "0 leaves the mutation, the noise, the steps, the shift, the skips or the query out; an index starts at 0": (
        {"0"},
        [
            *("NSGA2-mutation_probability", "waveforms-noise", "PairedBatches.skip-steps", "shift-pixels"),
            *("cutout-size", "SinusoidTasks-query_shots", "EpisodeSampler-query_shots", "ArrayBatches.set_epoch-epoch"),
            *("NASBench201Space.reachable-max_skips", "GraphSpace-dropout"),
            *("SinusoidTasks.episode-index", "SinusoidTasks.batch-index", "EpisodeSampler-rotations"),
        ],
    ),
    "a reward that is not finite is a failure": (
        {"NaN", "infinity", "-1", "0"},
        ["RandomSearch.tell-reward", "PredictorSearch.tell-reward", "Hyperband.tell-reward", "ASHA.tell-reward"],
    ),
    "a vector with an entry that is not finite is a failure": (
        of({"NaN", "infinity", *NUMBERS}),
        ["NSGA2.tell-reward", "EHVISearch.tell-reward"],
    ),
    "numbers like the others": (of(NUMBERS), ["SinusoidTasks-inputs"]),
    "numbers above the other end": (of({"0", "0.5"}), ["SinusoidTasks-phase"]),
    "numbers like the others, as which NumPy reads True": (
        of({*NUMBERS, "True"}),
        [
            *("dominates-one", "dominates-other", "staircase-costs", "staircase-values"),
            *("hypervolume-reference", "expected_hypervolume_improvement-reference", "EHVISearch-reference"),
        ],
    ),
    "weights above 0, as which NumPy reads True": (of({"0.5", "True"}), ["weighted_mean-shares"]),
    "an integer among integers, as which NumPy reads True": (
        of({"True"}),
        ["EpisodeSampler-classes", "split_classes-sizes"],
    ),
    "no edge": ({"[]"}, ["Graph-edges"]),
    "a class like the others, or none, as which NumPy reads True": (of({"-1", "0", "True"}), ["GraphDataset-y"]),
    "no label yet": ({"[]"}, ["ErrorSum.observe-errors", "DriftMonitor.observe_errors-errors"]),
    "no error": ({"0"}, ["fisher_p_value-errors", "fisher_p_value-reference_errors"]),
    "a single part": ({"0.5"}, ["split_classes-sizes"]),
    "a function": ({"function"}, ["ArrayBatches-augment", "compose-functions"]),
    "a name may be any text": (
        TEXT,
        [
            "check_images-what",
            *("ImageDataset-name", "GraphDataset-name"),
            "Table-name",
            "NATSBenchSize-name",
            "NASBench201-name",
            "Genotype.count-primitive",
        ],
    ),
    "a name in the singular": (TEXT, ["Registry-kind"]),
    "a name like the others": (of(TEXT), ["DriftMonitor-classes", "GraphDataset-classes"]),
    "a name that is not empty": (
        {"text"},
        ["load-cache_dir", "Genotype-space", "Genotype.from_paper_string-space", "Registry.register-name"],
    ),
    "names like the others, also in an array": (
        {"text array", *of(TEXT)},
        ["ImageDataset-classes", "LabelledImages-classes", "NASBenchGraphSpace-operations"],
    ),
    "an alphabet": (of(TEXT), ["LabelledImages-alphabets"]),
    "any size": (of({"None"}), ["check_images-input_shape"]),
    "arrays are read when the episode is used, by `check_episode` or a learner": (
        {"ragged", *of({"[]", "[None]", "ragged", "NaN array", "text array", "object array"})},
        ["Episode-support", "Episode-query"],
    ),
}


def _is_default(function, argument, value):
    try:
        default = inspect.signature(function).parameters[argument].default
    except (KeyError, ValueError):
        return False
    return default is value


def _variants(good):
    """Every bad value, and `good` with each bad value as one of its elements."""
    for label, bad in BAD.items():
        if type(bad) is type(good) and not isinstance(bad, np.ndarray) and bad == good:
            continue
        yield label, bad
    if type(good) in (tuple, list):
        for label, bad in BAD.items():
            yield f"element {label}", type(good)([*good[:-1], bad])


CASES = [pytest.param(one, argument, id=f"{one.name}-{argument}") for one in CALLS for argument in one.arguments]


@pytest.mark.parametrize("one", CALLS, ids=lambda one: one.name)
def test_the_right_arguments_pass(one):
    one.function(**one.arguments)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("one", "argument"), CASES)
def test_bad_values_are_refused_by_name(one, argument):
    place = f"{one.name}-{argument}"
    allowed = set().union(*(labels for labels, places in ALLOWED.values() if place in places))
    accepted, problems = set(), []
    for label, bad in _variants(one.arguments[argument]):
        if _is_default(one.function, argument, bad):
            continue
        try:
            one.function(**{**one.arguments, argument: bad})
        except (ValueError, TypeError) as error:
            if f"`{argument}`" not in str(error):
                problems.append(f"{label}: {type(error).__name__} without the argument's name: {error}")
        except Exception as error:  # noqa: BLE001 (whatever it is, it should not get out)
            problems.append(f"{label}: {type(error).__name__}: {error}")
        else:
            accepted.add(label)
    problems += [f"{label}: accepted" for label in sorted(accepted - allowed)]
    problems += [f"{label}: refused, though it is allowed" for label in sorted(allowed - accepted)]
    assert not problems, "\n".join(problems)


def test_every_exception_is_that_of_an_argument_above():
    known = {f"{one.name}-{argument}" for one in CALLS for argument in one.arguments}
    assert not {place for _, places in ALLOWED.values() for place in places} - known


def test_every_call_has_a_name_of_its_own():
    names = [one.name for one in CALLS]
    assert len(set(names)) == len(names)
