"""Right calls of what needs no training: strategies, data, drift, tables, leaves, federated averaging."""

import functools
import tempfile
from pathlib import Path

import keras
import numpy as np

from kerasnas import datasets, pareto, tasks
from kerasnas.datasets import Episode
from kerasnas.datasets.batches import ArrayBatches, PairedBatches
from kerasnas.datasets.sinusoids import SinusoidTasks
from kerasnas.datasets.tasks import check_episode, stack_episodes
from kerasnas.drift import DriftMonitor
from kerasnas.drift.accuracy import ErrorSum, error_run_length, fisher_p_value
from kerasnas.drift.features import input_statistics
from kerasnas.drift.two_sample import MaximumTest
from kerasnas.executors import Processes
from kerasnas.federated import ClientInfo, Update, federate
from kerasnas.federated.averaging import Values, outer_step, weighted_mean
from kerasnas.federated.channels import InProcess
from kerasnas.genotypes import DARTS_V1, Genotype
from kerasnas.primitives import Graph, graph_primitives
from kerasnas.registry import Registry
from kerasnas.search import (
    ASHA,
    BANANAS,
    BOHB,
    NSGA2,
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
    evaluate_batches,
)
from kerasnas.spaces import ENASMicroSpace, GraphSpace, NASBench201Space
from kerasnas.spaces.nasbench101_enumeration import Cells
from kerasnas.spaces.nasbench201 import NASBENCH201_PRIMITIVES
from kerasnas.strategies.attention import AttentionPolicy
from kerasnas.strategies.ehvi import expected_hypervolume_improvement
from kerasnas.strategies.ensemble import NetworkEnsemble
from kerasnas.strategies.policies import Adam, CategoricalPolicy, LSTMPolicy
from kerasnas.tabular import NASBench101, NASBench201, NATSBenchSize, Table
from kerasnas.tabular.nasbench_graph import NASBenchGraphSpace
from kerasnas.tabular.nats_size import NATSBenchSizeSpace
from kerasnas.tasks import CLASSIFICATION
from tests.bad_inputs.table import call, fresh

SPACE = NASBench201Space()
GENOTYPE = SPACE.decode((3,) * 6)
IMAGES, LABELS = np.random.default_rng(0).random((12, 8, 8, 1)), np.arange(12) % 3
EPISODE = Episode((IMAGES[:2], LABELS[:2]), (IMAGES[2:], LABELS[2:]))
REWARDS = np.array([[1.0, 2.0], [2.0, 1.0]])
RNG = np.random.default_rng(0)
TABLE = NASBench201("three", np.array([[0] * 6, [1] * 6, [3] * 6]), NASBENCH201_PRIMITIVES, {"valid_12": np.ones(3)})
BATCHES = ArrayBatches(IMAGES, LABELS, 4)
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
call(
    functools.partial(evaluate_batches, function=lambda shared, genotype: 0.5),  # a function of two arguments
    "evaluate_batches",
    strategy=RandomSearch(SPACE),
    evaluations=2,
    batch=1,
    executor=None,
)
call(Processes, workers=1, retries=3, setup=None)
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
for primitive in ("ARMA", "ChebNet", "FullyConnected", "GAT", "GCN", "GIN", "GraphSAGE", "KGNN"):
    call(getattr(graph_primitives, primitive), graph=Graph([[0, 1]], 2), filters=4, affine=True, copies=2)
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
call(fresh(lambda: datasets.stochastic_blocks(nodes=30, classes=2, train_per_class=5), "reduced"), components=4, seed=0)
call(
    datasets.smoothed,
    data=datasets.stochastic_blocks(nodes=30, classes=2, train_per_class=5),
    probabilities=np.ones((30, 2)),
    alpha=0.5,
    steps=2,
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
    ArrayBatches,
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
call(PairedBatches, training=BATCHES, validation=BATCHES)
call(fresh(lambda: PairedBatches(BATCHES, BATCHES), "skip"), steps=1)
call(datasets.shift, batch=IMAGES, rng=RNG, pixels=2)
call(datasets.flip, batch=IMAGES, rng=RNG)
call(datasets.cutout, batch=IMAGES, rng=RNG, size=2)
call(datasets.color_jitter, batch=IMAGES, rng=RNG, amount=0.2)
call(lambda functions: datasets.compose(functions), "compose", functions=datasets.flip)
call(datasets.drop_words, batch=np.ones((2, 3), int), rng=RNG, share=0.1)
call(datasets.Scaling, scale=255.0)
call(datasets.TextLimits, words=10, length=4, tokens="words")
call(datasets.Vocabulary, words=["film"], length=4, split="words")
call(datasets.LogMel, samples=800, rate=800, mean=2.0, deviation=2.0, bins=8, window=0.04, stride=0.02)
call(
    datasets.check_images,
    x=IMAGES,
    y=LABELS,
    num_classes=3,
    input_shape=(8, 8, 1),
    what="training",
    task=CLASSIFICATION,
)
call(datasets.stratified_split, y=LABELS, fraction=0.5, seed=0)
call(datasets.split_samples, task=CLASSIFICATION, y=LABELS, fraction=0.5, seed=0, groups=np.arange(12) // 3 % 2)
call(datasets.split_classes, y=LABELS, sizes=(1, 2), seed=0)
call(datasets.load, name_or_path="fashion_mnist_mini", cache_dir=".", image_size=None, seed=0, task="auto", target=())
call(
    datasets.Dataset,
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
call(datasets.mazes, train_samples=4, test_samples=2, size=5, kind="maze", density=0.2, seed=0)
call(
    datasets.roll_out,
    policy=lambda images: np.ones((len(images), 4)),
    images=datasets.mazes(1, 3, 5).x_test,
    max_steps=3,
)
call(datasets.waveforms, train_samples=6, test_samples=6, length=8, noise=0.5, seed=0)
call(datasets.Episode, support=(IMAGES, LABELS), query=(IMAGES, LABELS))
call(check_episode, episode=EPISODE)
call(stack_episodes, episodes=[EPISODE, EPISODE])
call(
    SinusoidTasks,
    shots=2,
    query_shots=2,
    amplitude=(1.0, 2.0),
    phase=(0.0, 1.0),
    inputs=(-1.0, 1.0),
    seed=0,
)
call(fresh(SinusoidTasks, "episode"), index=1)
call(fresh(SinusoidTasks, "batch"), index=1, tasks=2)
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


@functools.cache  # what it is calibrated on takes long to draw
def monitor():
    return DriftMonitor(NETWORK, POINTS, SIDES)


call(fresh(monitor, "observe", DriftMonitor), x=POINTS, y=SIDES)
call(fresh(monitor, "observe_outputs", DriftMonitor), outputs=POINTS)
call(fresh(monitor, "observe_errors", DriftMonitor), errors=SIDES > 0)

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
call(pareto.hypervolume, rewards=REWARDS, reference=(0.0, 0.0))

# federated
call(weighted_mean, members=[[np.zeros(1)], [np.ones(1)]], shares=[1, 3])
call(outer_step, values=VALUES, updates=[Update(VALUES, 3)], step=1.0, architecture_step=1.0)
call(InProcess, clients=[Still()], executor=None)
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
    executor=None,
)

# tasks
NUMBERS = np.array([[1.0], [2.0], [4.0]])
call(tasks.Regression, offset=(0.0, 1.0), scale=(1.0, 2.0))
call(tasks.Regression.fitted, "Regression.fitted", y=NUMBERS)
call(tasks.SmoothedCrossentropy, label_smoothing=0.1)
call(tasks.task_of, config={"name": "regression", "offset": [0.0], "scale": [1.0]})
call(tasks.task_of_labels, y=LABELS)
call(tasks.task_of_loss, loss=abs, y=NUMBERS)
