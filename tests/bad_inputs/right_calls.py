"""Right calls of public functions and constructors: what wrong values are put into.

`call(FUNCTION, ..., argument=value)` adds a call of each function. What is not given has its default, else the value
that `EXAMPLES` has for an argument of that name.
"""

import functools
import inspect
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import keras_tuner
import numpy as np

import kerasnas
import tuners
from kerasnas import (
    callbacks,
    cost,
    datasets,
    deployment,
    distribution,
    drift,
    federated,
    intervals,
    meta,
    methods,
    networks,
    pareto,
    primitives,
    proxies,
    racing,
    relaxations,
    runs,
    search,
    spaces,
    tabular,
    testing,
)
from kerasnas.callbacks.schedules import AuxiliarySkipSchedule, CosineSchedule
from kerasnas.cost.model import COSTS, NetworkCost, tabulate
from kerasnas.datasets.batches import ArrayBatches, PairedBatches
from kerasnas.datasets.mixture import TaskMixture
from kerasnas.datasets.pools import LabelledImages
from kerasnas.datasets.sinusoids import SinusoidTasks
from kerasnas.datasets.smoothing import smoothed
from kerasnas.datasets.tasks import Episode, check_episode
from kerasnas.diagnostics.comparison import ComparisonConfig
from kerasnas.diagnostics.doctor import DoctorConfig
from kerasnas.diagnostics.step_timing import TimingConfig
from kerasnas.drift.accuracy import ErrorSum, error_run_length
from kerasnas.drift.two_sample import MaximumTest
from kerasnas.executors.base import thread_limits
from kerasnas.executors.processes import Processes
from kerasnas.export.classifier import load_classifier, save_classifier
from kerasnas.export.formats import check_formats
from kerasnas.federated.averaging import Update, Values, outer_step
from kerasnas.federated.channels import ClientInfo, InProcess
from kerasnas.genotypes import DARTS_V1, Genotype
from kerasnas.meta.experience import save_experiences
from kerasnas.meta.inner_optimizers import InnerAdam
from kerasnas.methods.nodes.settings import GraphConfig
from kerasnas.methods.pretraining import PretrainingConfig
from kerasnas.methods.rebuilding import fitting
from kerasnas.modalities.augmentations import (
    color_jitter,
    compose,
    cutout,
    drop_words,
    flip,
    flip_vertical,
    rotate,
    shift,
    zoom,
)
from kerasnas.modalities.base import TextLimits
from kerasnas.modalities.fronts import LogMel, Scaling, Vocabulary
from kerasnas.modalities.lookup import check_images
from kerasnas.networks.shared import WeightSharingSupernet
from kerasnas.platforms import tensorboard_log
from kerasnas.primitives import graph_primitives
from kerasnas.primitives.masked import MaskedSepConv
from kerasnas.primitives.mobile import MBConv
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.primitives.sequences import Recurrent, SelfAttention
from kerasnas.registry import Registry
from kerasnas.runs.folder import RunFolder, read_config
from kerasnas.spaces.nasbench101_enumeration import Cells
from kerasnas.spaces.nasbench201 import NASBENCH201_PRIMITIVES
from kerasnas.spaces.signals import PaddedSignalSpace
from kerasnas.spaces.subset import SubsetSpace
from kerasnas.starts import AdaptationSpace, begin
from kerasnas.starts.adapted import Adaptation
from kerasnas.strategies.attention import LSTMPolicy, walk_of
from kerasnas.strategies.numpy_networks import Adam
from kerasnas.tabular.nasbench_graph import NASBenchGraphSpace
from kerasnas.tabular.nats_size import NATSBenchSizeSpace
from kerasnas.tabular.table import Table
from kerasnas.tasks.classification import SmoothedCrossentropy
from kerasnas.tasks.counts import Counts
from kerasnas.tasks.known import CLASSIFICATION, task_of, task_of_labels, task_of_loss
from kerasnas.tasks.regression import Regression
from kerasnas.tasks.splits import grouped_split, split_samples, stratified_split
from kerasnas.training.recipe import TrainingRecipe
from tests.starts.kit import TinyStart


class Call(NamedTuple):
    """A function or constructor with arguments that are right."""

    function: Callable[..., Any]
    name: str
    arguments: dict[str, Any]
    make: Callable[[], Any] | None = None  # the object whose method it is


CALLS: list[Call] = []
MADE: list[Any] = []  # the object whose method was called last
SHAPE, CLASSES = (8, 8, 1), 3
RNG = np.random.default_rng(0)
FOLDER = Path(tempfile.mkdtemp())
X, Y = RNG.random((24, *SHAPE)).astype("float32"), np.arange(24) % CLASSES
SPACE = spaces.DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect", "max_pool_3x3"])
GENOTYPE = SPACE.sample(RNG)
INDICES = SPACE.encode(GENOTYPE)
EXAMPLES = {
    "space": SPACE,
    "genotype": GENOTYPE,
    "indices": INDICES,
    "assignment": SPACE.assignment(GENOTYPE),
    "rng": RNG,
    "x": X,
    "y": Y,
    "batch": X,
    "input_shape": SHAPE,
    "num_classes": CLASSES,
    "classes": ("0", "1", "2"),
    "filters": 4,
    "name": "one",
    "samples": 24,
    "fraction": 0.5,
    "seed": 0,
    "folder": FOLDER,
    "steps": 1,
    "tasks": 1,
    "index": 1,
    "size": 2,
    "shots": 1,
    "reward": 0.5,
    "strategy": search.RandomSearch(SPACE),
    "max_trials": 2,
    "objective": "val_accuracy",
    "budgets": (1, 3),
    "epoch": 1,
    "epochs": 1,
    "path": FOLDER / "new",
}


def call(*functions: Callable[..., Any], **given: Any) -> None:
    """Add a call of each of the functions, with these arguments."""
    for function in functions:
        arguments = {}
        for name, parameter in inspect.signature(function).parameters.items():
            if name in given or (parameter.default is parameter.empty and name in EXAMPLES):
                arguments[name] = given[name] if name in given else EXAMPLES[name]
            elif parameter.default is not parameter.empty and not leaves_open(parameter.default):
                arguments[name] = parameter.default
            elif parameter.kind is parameter.VAR_KEYWORD:
                arguments |= {name: value for name, value in given.items() if name not in arguments}
        name = getattr(function, "__qualname__", repr(function))
        CALLS.append(Call(function, name, arguments))


def leaves_open(default: Any) -> bool:
    """Return True for None, and for what a dataclass has in place of a default that it makes."""
    return default is None or repr(default) == "<factory>"


def of(make: Callable[[], Any], names: str, /, **given: Any) -> None:
    """Add calls of methods of what `make` returns."""
    kind = type(make())
    for name in names.split():
        static = inspect.getattr_static(kind, name)
        parameters = list(inspect.signature(getattr(static, "__func__", static)).parameters.values())[1:]

        def function(*args: Any, _name: str = name, **arguments: Any) -> Any:
            MADE[:] = [make()]
            return getattr(MADE[0], _name)(*args, **arguments)

        function.__qualname__ = f"{kind.__name__}.{name}"
        function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call(function, **given)
        CALLS[-1] = CALLS[-1]._replace(make=make)


def named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function the name that its call has."""
    function.__qualname__ = name
    return function


# Strategies
call(search.RandomSearch, search.LocalSearch, search.RegularizedEvolution, search.NSGA2, search.Reinforce)
call(search.Controller, search.BANANAS, search.TPESearch, search.ASHA, search.Hyperband, search.SuccessiveHalving)
call(search.BOHB, meta.TransferPredictor, search.PredictorSearch, search.EHVISearch)
REWARDS = np.array([[1.0, 2.0], [2.0, 1.0]])
call(Adam, learning_rate=0.1)
call(InnerAdam)
call(LSTMPolicy, walk=walk_of(spaces.ENASMicroSpace(num_nodes=1)))
call(Processes, thread_limits, workers=1)
call(
    named("evaluate_batches", functools.partial(search.evaluate_batches, function=lambda shared, genotype: 0.5)),
    evaluations=2,
)
of(lambda: search.RandomSearch(SPACE), "ask tell")
of(lambda: search.NSGA2(SPACE), "tell", reward=(0.5, 1.0))
of(lambda: search.PredictorSearch(SPACE, cost_limit=2.0), "tell", cost=1.0)
of(lambda: search.Reinforce(SPACE), "set_parameters", parameters=search.Reinforce(SPACE).get_parameters())
for make in (search.RandomSearch, search.EHVISearch, search.Reinforce, search.TPESearch):
    of(functools.partial(make, SPACE), "set_state", state=make(SPACE).get_state())
for make in (search.ASHA, search.Hyperband):
    of(functools.partial(make, search.RandomSearch(SPACE), (1, 3)), "ask")
    of(functools.partial(make, search.RandomSearch(SPACE), (1, 3)), "tell", budget=1)
    state = make(search.RandomSearch(SPACE), (1, 3)).get_state()
    of(functools.partial(make, search.RandomSearch(SPACE), (1, 3)), "set_state", state=state)

# Spaces
ENAS = spaces.ENASMicroSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
MACRO = spaces.MacroSpace(filters=4, stages=(2,), depths=(1,), max_halvings=2)
PLANNING = spaces.PlanningSpace(filters=4, iterations=(2,))
BENCH = spaces.NASBench101Space(filters=4, num_stacks=1, cells_per_stack=1)
BENCH201 = spaces.NASBench201Space(filters=2, num_cells=1)
PROXYLESS = spaces.ProxylessSpace(
    filters=4, num_layers=1, strides=(1, 2), primitives=("mbconv_3x3_e3", "mbconv_5x5_e3")
)
call(spaces.DARTSSpace, spaces.ENASMicroSpace, spaces.ENASMacroSpace)
call(spaces.MacroSpace, primitives=("conv_3x3", "residual_3x3"))
call(spaces.PlanningSpace, spaces.NASBench101Space, spaces.NASBench201Space, spaces.SignalSpace)
call(PaddedSignalSpace, spaces.TextSpace, spaces.TableSpace, spaces.ProxylessSpace, spaces.ProxylessSpace.imagenet)
call(SubsetSpace, architectures=[INDICES])
call(AdaptationSpace)
FROZEN_START = Adaptation(TinyStart(), 32, ("frozen",) * 5).build((8, 8, 3), 2)
call(
    begin, model=FROZEN_START, x=np.random.default_rng(0).random((6, 8, 8, 3)), y=np.arange(6) % 2, task=CLASSIFICATION
)
call(tuners.AdaptationHyperModel, space=AdaptationSpace(), input_shape=(8, 8, 3), num_classes=2)
call(spaces.GraphSpace, graph=primitives.Graph([[0, 1]], 2))
for space in (spaces.PlanningSpace, spaces.MacroSpace, spaces.NASBench101Space):
    call(space.for_data, input_shape=(9, 9, 3))
for space in (SPACE, ENAS, spaces.ENASMacroSpace(filters=2, num_layers=3), MACRO, BENCH, BENCH201, PROXYLESS):
    genotype = space.sample(np.random.default_rng(1))
    make = functools.partial(lambda space: space, space)
    of(make, "assignment encode validate mutate", genotype=genotype)
    of(make, "decode feasible key neighbors mutate_indices", indices=space.encode(genotype))
    of(make, "sample sample_indices")
    of(make, "check_assignment genotype", assignment=space.assignment(genotype))
of(lambda: SubsetSpace(SPACE, [INDICES]), "feasible neighbors mutate_indices sample_indices")
of(lambda: SPACE, "build_network parts resized")
of(lambda: SPACE, "build_supernet", relaxation="softmax")
of(lambda: SPACE, "reachable", cost=COSTS["parameters"](SPACE, SHAPE, CLASSES), limit=1e9)
of(lambda: SPACE.reachable(), "sample")
of(lambda: MACRO, "build_network parts_of", genotype=MACRO.sample(RNG))
of(lambda: BENCH, "build_network hash matrix parameters", genotype=BENCH.sample(RNG))
of(lambda: BENCH, "cell", matrix=[[0, 1], [0, 0]], operations=["input", "output"])
of(lambda: BENCH201, "parameters to_string", genotype=BENCH201.sample(RNG))
of(spaces.GraphSpace, "to_table", genotype=spaces.GraphSpace().decode((0,) * 8))
PUBLISHED = Genotype("nasbench_graph", {"cell": [("gcn", node, node + 1) for node in range(4)]})
of(spaces.GraphSpace, "from_table", genotype=PUBLISHED)
GRU = PLANNING.references()["gru"]
of(lambda: PLANNING, "transfer", model=PLANNING.build_network(GRU, (5, 5, 3), 4), genotype=GRU, input_shape=(7, 7, 3))

# Primitives, relaxations, networks, costs, proxies
call(primitives.Graph, edges=[[0, 1], [1, 2]], num_nodes=3)
for name in ("ARMA", "ChebNet", "FullyConnected", "GAT", "GCN", "GIN", "GraphSAGE", "KGNN"):
    call(getattr(graph_primitives, name), graph=primitives.Graph([[0, 1]], 2))
call(MBConv, MaskedSepConv, Recurrent, SelfAttention, BatchNorm)
call(primitives.MixedOp, primitives=["none", "skip_connect"])
call(named("register_primitive", lambda name: primitives.register_primitive(name)), name="mine")
call(relaxations.Softmax, relaxations.Gumbel, relaxations.Dirichlet, relaxations.BinaryGates, relaxations.Sigmoid)
SUPERNET = SPACE.build_supernet(SHAPE, CLASSES)
COST = COSTS["parameters"](SPACE, SHAPE, CLASSES)
call(networks.Supernet)
of(lambda: SUPERNET, "derive", cost=COST)
call(cost.pareto_front, supernet=SUPERNET, cost=COST)
call(tabulate, parts=SPACE.parts(SHAPE, 3), measure=lambda part: 1.0, name="toy", unit="apples")
call(COSTS["parameters"])
call(NetworkCost, unit="apples", parts=lambda genotype: (), measure=lambda part: 1.0)
call(networks.few_shot_network)
call(proxies.ProxyScore, proxy="naswot")
GRAPH = datasets.stochastic_blocks(nodes=30, classes=2, train_per_class=5)
call(proxies.ReadoutScore, space=spaces.GraphSpace(GRAPH.graph), data=GRAPH)

# Trainers and callbacks
SEARCH = search.BilevelTrainer(SUPERNET, auxiliary_skip=0.0, architecture_warmup_epochs=0)
SEARCH.compile(run_eagerly=True)
SHARING = WeightSharingSupernet(ENAS, SHAPE, CLASSES)
ONE_SHOT = search.ENASTrainer(SHARING, ENAS, search.RandomSearch(ENAS, unique=False))
ONE_SHOT.compile(run_eagerly=True)
FIT = {"x": X, "y": Y, "batch_size": 6, "epochs": 1, "verbose": 0, "callbacks": []}
call(search.BilevelTrainer, supernet=SUPERNET)
call(search.ProgressiveSearch, space=SPACE, input_shape=SHAPE, num_classes=CLASSES)
call(search.BetaDecay, objective=lambda model, values: 0.0)
call(search.CostObjective, cost=COST)
call(search.SupernetScore, supernet=SUPERNET, batch_size=6)
call(search.ENASTrainer, supernet=SHARING, space=ENAS)
of(functools.cache(lambda: search.BilevelTrainer(SPACE.build_supernet(SHAPE, CLASSES), auxiliary_skip=0.0)), "compile")
of(lambda: SEARCH, "fit", **FIT, validation_split=0.5, sample_weight=np.ones(24))
of(lambda: SEARCH, "curvature", batch=(keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y)))
of(lambda: ONE_SHOT, "fit", **FIT, validation_split=0.5, controller_steps=1)
of(lambda: ONE_SHOT, "derive rank", x=X, y=Y)
of(lambda: ONE_SHOT, "evaluate_children", genotypes=[ENAS.sample(RNG)])
call(search.ENASCheckpoint, callbacks.SearchCheckpoint, AuxiliarySkipSchedule, callbacks.TemperatureSchedule)
call(CosineSchedule, initial=1.0)
call(tensorboard_log.ArchitectureLog, log_dir=FOLDER / "tensorboard")
call(distribution.resolve_strategy)
call(testing.check_relaxation, relaxation=relaxations.Softmax())

# Data
BATCHES, POOL = ArrayBatches(X, Y, 4), LabelledImages(X, Y, ("a", "b", "c"), ("A", "A", "B"))
EPISODE, SINES = Episode((X[:2], Y[:2]), (X[2:], Y[2:])), SinusoidTasks(shots=2, query_shots=2)
call(ArrayBatches, batch_size=4, augment=flip, sample_weight=np.ones(24))
of(lambda: BATCHES, "set_epoch")
call(PairedBatches, training=BATCHES, validation=BATCHES)
of(lambda: PairedBatches(BATCHES, BATCHES), "skip")
call(shift, zoom, flip, flip_vertical, rotate, cutout, color_jitter)
call(drop_words, batch=np.ones((2, 3), int))
call(named("compose", lambda functions: compose(functions)), functions=flip)
call(Scaling, TextLimits, datasets.stochastic_blocks, datasets.waveforms, SinusoidTasks)
call(datasets.mazes, train_samples=3, test_samples=3, size=5)
call(datasets.glyphs, classes=2, samples=2)
call(Vocabulary, words=["film"], length=4)
call(LogMel, rate=800, samples=800)
call(check_images, input_shape=SHAPE)
call(stratified_split)
call(split_samples, grouped_split, task=CLASSIFICATION, groups=np.arange(24) // 3 % 2)
call(datasets.split_classes, sizes=(1, 2))
call(datasets.load, name_or_path="fashion_mnist_mini")
call(datasets.Dataset, x_train=X, y_train=0 * Y, x_test=X, y_test=0 * Y, classes=("a",), weights=np.ones(24))
call(LabelledImages, y=0 * Y, classes=("a",))
of(lambda: POOL, "of_alphabets", names=["A"])
call(Episode, support=(X, Y), query=(X, Y))
call(check_episode, episode=EPISODE)
call(TaskMixture, families=[SINES, SINES])
of(SinusoidTasks, "episode batch")
call(datasets.EpisodeSampler, y=Y, ways=2, query_shots=1, classes=[0, 1])
call(datasets.roll_out, policy=lambda x: np.ones((len(x), 4)), images=datasets.mazes(1, 3, 5).x_test, max_steps=3)
PARTS = {"train": [0, 1], "validation": [], "test": []}
three = primitives.Graph([[0, 1]], 3)
call(datasets.GraphDataset, graph=three, x=np.ones((3, 2)), y=[0, 1, -1], parts=PARTS, classes=("a", "b"))
of(lambda: GRAPH, "reduced", components=4)
call(smoothed, data=GRAPH, probabilities=np.ones((30, 2)))
(FOLDER / "photos/images").mkdir(parents=True)
(FOLDER / "photos/train.csv").write_text("filename,label\na.png,n01\n")
keras.utils.save_img(FOLDER / "photos/images/a.png", np.zeros((8, 8, 3)))
call(datasets.mini_imagenet, size=8, path=FOLDER / "photos")

# Tasks
call(Regression, Counts, SmoothedCrossentropy)
call(Regression.fitted, y=np.array([[1.0], [2.0], [4.0]]))
call(task_of_loss, loss=abs, y=np.array([[1.0], [2.0], [4.0]]))
call(task_of_labels)
call(task_of, config={"name": "regression", "offset": [0.0], "scale": [1.0]})

# Drift
POINTS = np.random.default_rng(0).normal(size=(40, 2))
SIDES = (POINTS[:, 0] > 0).astype(int)
NETWORK = keras.Sequential(
    [
        keras.Input((2,)),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(2, "softmax", kernel_initializer=keras.initializers.GlorotUniform(0)),
    ]
)
MONITOR = drift.DriftMonitor(NETWORK, POINTS, SIDES, window=20)
call(MaximumTest, reference=POINTS, permutations=100)
of(lambda: MaximumTest(POINTS), "statistics threshold", sample=POINTS, size=20)
call(error_run_length, error=0.1, down=1, up=6, threshold=31)
call(ErrorSum, error=0.1)
of(lambda: ErrorSum(0.1), "observe", errors=np.array([True, False]))
call(
    drift.DriftMonitor, model=NETWORK, x_reference=POINTS, y_reference=SIDES, classes=("left", "right"), outputs=POINTS
)
of(lambda: MONITOR, "observe examine", x=POINTS, y=SIDES)
of(lambda: MONITOR, "observe_errors", errors=SIDES > 0)
of(lambda: MONITOR, "observe_outputs", outputs=POINTS)
of(lambda: MONITOR, "renewed", model=NETWORK, x_reference=POINTS, y_reference=SIDES)
call(drift.adapt_batch_norm, model=NETWORK, x=POINTS)
call(callbacks.DriftCallback, monitor=MONITOR, on_drift=len)
call(deployment.readapt, model=NETWORK, x=POINTS, y=SIDES, replay=(POINTS, SIDES), monitor=MONITOR, most_steps=1)

# Tables, leaves
ZEROS, COLUMNS = np.zeros((1, 6), int), {"valid_1": np.ones(1)}
TABLE = tabular.NASBench201("three", ZEROS, NASBENCH201_PRIMITIVES, {"valid_12": np.ones(1)})
call(Table, tabular.NASBenchGraph, columns=COLUMNS, row=len, genotype=len)
call(tabular.NASBench201, ops=ZEROS, op_names=NASBENCH201_PRIMITIVES, columns=COLUMNS)
call(tabular.NASBench201.synthetic)
cells = Cells(np.array([2]), np.array([1]), np.array([0]))
call(tabular.NASBench101, cells=cells, hashes=np.zeros((1, 2), np.uint64), columns=COLUMNS)
call(tabular.NATSBenchSize, channels=np.array([[8] * 5]), columns={"valid_90": np.ones(1)})
of(lambda: TABLE, "column", name="valid_12")
of(lambda: TABLE, "lookup query", genotype=TABLE.genotype(0), column="valid_12", epochs=12, repeat=0)
of(NATSBenchSizeSpace, "from_string", text="8:8:8:8:8")
of(NATSBenchSizeSpace, "to_string", genotype=NATSBenchSizeSpace().decode((0,) * 5))
call(NASBenchGraphSpace, links=[[0, 0], [0, 1]], operations=["gcn", "gat"])
call(Genotype, space="toy", cells={"normal": [("none", 0, 2)]})
call(Genotype.from_json, text=GENOTYPE.to_json())
call(Genotype.from_paper_string, text=DARTS_V1.to_paper_string(), space="darts")
of(lambda: GENOTYPE, "count", primitive="none")
of(lambda: GENOTYPE, "save")
call(Registry, kind="thing")
of(lambda: Registry("thing"), "register", factory=len)
call(pareto.hypervolume, rewards=REWARDS, reference=(0.0, 0.0))
call(intervals.wilson_interval, accuracy=0.9)
call(intervals.paired_difference, first=[True, False], second=[False, False])

# Learners, experience, federation
LEARNER = meta.Reptile(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), inner_steps=1, adaptation_steps=1)
LEARNER.compile(loss="mse", run_eagerly=True)
INITIALIZER = meta.ReptileInitializer.from_learner(LEARNER)
MODEL = keras.models.clone_model(LEARNER.model)
call(meta.MAML, meta.ProtoNet, meta.Reptile, model=MODEL)
call(meta.MetaNAS, model=SUPERNET)
of(lambda: LEARNER, "fit", sampler=SINES, steps=1, tasks=1, verbose=0)
SOURCE = meta.SearchExperience(
    SPACE.name, SPACE.cardinalities, tuple((SPACE.sample_indices(RNG), float(number)) for number in range(9))
)
call(meta.SearchExperience, space=SPACE.name, cardinalities=SPACE.cardinalities, observations=SOURCE.observations)
call(meta.SearchExperience.of)
call(save_experiences, experiences=[SOURCE])
call(meta.pretrain_policy, meta.reptile_policy, make=search.Reinforce, sources=[SOURCE], steps=1)
call(meta.ReptileInitializer, model=MODEL)
call(meta.ReptileInitializer.from_learner, learner=LEARNER)
call(meta.warm_start, search=MODEL, initializer=INITIALIZER)
VALUES = Values([np.zeros(2)])
UPDATE = Update(VALUES, 3)


class Still:
    """A client that learns nothing."""

    def describe(self):
        return ClientInfo("still", 3, (2,))

    def train(self, values, number, rounds):
        return UPDATE


call(Values, weights=[np.zeros(2)])
call(Update, values=VALUES)
call(ClientInfo, sample_shape=SHAPE)
call(outer_step, values=VALUES, updates=[UPDATE])
call(InProcess, clients=[Still()])
call(federated.federate, clients=[Still()], values=VALUES, rounds=2)
call(federated.FederatedClient, search=SEARCH, batch_size=6, validation_split=0.5, augment=flip)
call(federated.shared_values, federated.assign_values, search=SEARCH, values=federated.shared_values(SEARCH))

# Runs, exports, reports
np.savez(FOLDER / "data.npz", x_train=X, y_train=Y, x_test=X, y_test=Y)
RUN = RunFolder.create(FOLDER / "run", methods.RaceConfig(dataset=str(FOLDER / "data.npz"))).path
network = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(3)])
save_classifier(RUN, network, ("0", "1", "2"))
CLASSIFIER = load_classifier(RUN)
call(runs.Progress, quiet=True)
call(kerasnas.ImageClassifier, kerasnas.ImageRegressor, kerasnas.GraphClassifier, kerasnas.TextClassifier)
call(kerasnas.SignalClassifier, kerasnas.SignalRegressor, kerasnas.TextRegressor)
call(kerasnas.AutoClassifier, kerasnas.AutoRegressor)
call(kerasnas.TableClassifier, kerasnas.TableRegressor)
call(GraphConfig, methods.RaceConfig, methods.SearchConfig, methods.TrainingConfig, TimingConfig)
call(ComparisonConfig, DoctorConfig, TrainingRecipe)
call(PretrainingConfig, datasets=("data.npz",))
call(fitting, genotype=DARTS_V1)
call(check_formats, formats=["litert"])
of(lambda: CLASSIFIER, "answers")
call(RunFolder.open, path=RUN)
call(read_config, file=RUN / "config.json")
call(runs.open_executor)
call(racing.Shortlist)

# KerasTuner
HYPERMODEL = tuners.SupernetHyperModel(SPACE, SHAPE, 3)
TUNER = {"training": TrainingRecipe(epochs=1, batch_size=12), "report": False, "directory": str(FOLDER)}
TUNER |= {"project_name": "one", "overwrite": True}
for space in (SPACE, None):  # None: the hyperparameters of the hypermodel
    call(tuners.ControllerOracle, tuners.PredictorOracle, tuners.EvolutionOracle, tuners.LocalSearchOracle, space=space)
    call(tuners.ASHAOracle, tuners.HyperbandOracle, tuners.SuccessiveHalvingOracle, tuners.BOHBOracle, space=space)
call(tuners.RandomOracle, tuners.StrategyOracle)
call(tuners.StrategyOracle, strategy=search.RandomSearch)
GOALS = ["val_accuracy", keras_tuner.Objective("parameters", "min")]
call(tuners.ParetoOracle, space=SPACE, objective=GOALS, costs={"parameters": lambda genotype: 1.0})
call(tuners.SupernetHyperModel, relaxation="softmax", architecture_learning_rate=0.1)
call(tuners.SharedWeights, controller=search.RandomSearch(ENAS, unique=False))
call(tuners.SupernetTuner, hypermodel=HYPERMODEL, **TUNER)
call(tuners.OneShotTuner, space=ENAS, **TUNER)
ORACLE = tuners.StrategyOracle(search.RandomSearch(SPACE), "val_accuracy", max_trials=1)
call(tuners.GenotypeTuner, oracle=ORACLE, hypermodel=tuners.GenotypeHyperModel(SPACE, SHAPE, 3), project_name="one")
OWN = {"objective": "val_accuracy", "max_trials": 1, "seed": 0}
call(tuners.GenotypeTuner, hypermodel=lambda hp: None, **OWN, directory=str(FOLDER), project_name="own")
