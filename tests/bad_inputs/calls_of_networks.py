"""Right calls of spaces, primitives, relaxations, networks, costs, proxies, trainers, callbacks and distribution."""

import functools
import tempfile
from pathlib import Path

import keras
import numpy as np

from kerasnas import (
    callbacks,
    cost,
    datasets,
    distribution,
    networks,
    primitives,
    proxies,
    relaxations,
    search,
    spaces,
    testing,
)
from kerasnas.cost.model import COSTS
from kerasnas.networks.shared import WeightSharingSupernet
from kerasnas.networks.skeleton import cell_edges
from kerasnas.platforms import tensorboard_log
from kerasnas.primitives.masked import MaskedSepConv
from kerasnas.primitives.mobile import MBConv
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.primitives.sequences import Recurrent, SelfAttention
from kerasnas.spaces.subset import SubsetSpace
from tests.bad_inputs.table import call, fresh

SHAPE, CLASSES = (8, 8, 1), 3
RNG = np.random.default_rng(0)
X, Y = RNG.random((24, *SHAPE)).astype("float32"), np.arange(24) % CLASSES
SPACE = spaces.DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect", "max_pool_3x3"])
GENOTYPE = SPACE.sample(RNG)
INDICES = SPACE.encode(GENOTYPE)
NAMES = ["none", "skip_connect"]
FOLDER = Path(tempfile.mkdtemp())
INPUTS = keras.Input(SHAPE)
NETWORK = keras.Model(INPUTS, keras.layers.Dense(CLASSES)(keras.layers.Flatten()(keras.layers.ReLU()(INPUTS))))
SMALL = keras.Sequential([keras.Input(SHAPE), keras.layers.Conv2D(2, 3), keras.layers.ReLU(), keras.layers.Flatten()])
SMALL.add(keras.layers.Dense(CLASSES))


def quiet(line):
    """Log nothing."""


@functools.cache
def supernet():
    return SPACE.build_supernet(SHAPE, CLASSES)


@functools.cache
def trainer():
    found = search.BilevelTrainer(supernet(), auxiliary_skip=0.0, architecture_warmup_epochs=0)
    found.compile(run_eagerly=True)
    return found


@functools.cache
def other_trainer():
    return search.BilevelTrainer(SPACE.build_supernet(SHAPE, CLASSES), auxiliary_skip=0.0)


BATCH = tuple((keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y)) for _ in range(2))
ENAS = spaces.ENASMicroSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])


@functools.cache
def sharing():
    return WeightSharingSupernet(ENAS, SHAPE, CLASSES)


@functools.cache
def one_shot():
    found = search.ENASTrainer(sharing(), ENAS, search.RandomSearch(ENAS, unique=False))
    found.compile(run_eagerly=True)
    return found


COST = COSTS["parameters"](SPACE, SHAPE, CLASSES)

# spaces
SIZES = {"filters": 4, "num_cells": 2, "num_nodes": 2}
STEM = {"stem_multiplier": 2, "stem_strides": 1}
call(
    spaces.DARTSSpace,
    **SIZES,
    primitives=NAMES,
    **STEM,
    partial_channels=1,
    edge_normalization=False,
    sparse=False,
)
call(spaces.ENASMicroSpace, **SIZES, primitives=["skip_connect", "max_pool_3x3"], **STEM)
call(spaces.ENASMacroSpace, filters=4, num_layers=3, primitives=["nor_conv_3x3", "max_pool_3x3"], stem_strides=1)
call(
    spaces.MacroSpace,
    filters=8,
    widths=(0.5, 1.0),
    stems=("conv_3x3",),
    stages=(2, 3),
    depths=(1, 2),
    primitives=("conv_3x3", "conv_5x5"),
    max_halvings=3,
    head_filters=8,
)
call(
    spaces.HybridSpace,
    filters=8,
    widths=(0.5, 1.0),
    stems=("conv_3x3",),
    stages=(2, 3),
    depths=(1, 2),
    primitives=("conv_3x3", "attention_2"),
    max_halvings=3,
    head_filters=8,
)
call(spaces.PlanningSpace, filters=8, widths=(0.5, 1.0), iterations=(2, 4), primitives=("gru", "residual"))
call(spaces.PlanningSpace.for_data, "PlanningSpace.for_data", input_shape=(9, 9, 3), num_classes=4, samples=99)
call(spaces.MacroSpace.for_data, "MacroSpace.for_data", input_shape=(32, 32, 3), num_classes=10, samples=1000)
call(spaces.NASBench101Space, filters=4, num_stacks=2, cells_per_stack=1)
call(spaces.NASBench101Space.for_data, "NASBench101Space.for_data", input_shape=(32, 32, 3), num_classes=10, samples=99)
call(spaces.NASBench201Space, **SIZES, primitives=NAMES)
call(spaces.SignalSpace, **SIZES, primitives=NAMES)
call(spaces.PaddedSignalSpace, **SIZES, primitives=NAMES)
call(spaces.TextSpace, **SIZES, primitives=NAMES, vocabulary=20, dimensions=4, dropout=0.5)
call(
    spaces.ProxylessSpace,
    filters=(8, 16, 16),
    num_layers=1,
    strides=(1, 2, 2),
    stem_filters=8,
    stem_strides=1,
    head_filters=8,
    primitives=("mbconv_3x3_e3", "mbconv_5x5_e3"),
    first_filters=8,
)
call(spaces.ProxylessSpace.imagenet, "ProxylessSpace.imagenet", primitives=("mbconv_3x3_e3", "mbconv_5x5_e3"))
call(SubsetSpace, space=SPACE, architectures=[INDICES], reach=1)


def space_methods(space, kind):
    """The methods that each space has."""
    genotype = space.sample(np.random.default_rng(1))
    indices = space.encode(genotype)
    make = functools.partial(lambda space: space, space)
    call(fresh(make, "assignment", kind), genotype=genotype)
    call(fresh(make, "encode", kind), genotype=genotype)
    call(fresh(make, "validate", kind), genotype=genotype)
    call(fresh(make, "decode", kind), indices=indices)
    call(fresh(make, "feasible", kind), indices=indices)
    call(fresh(make, "key", kind), indices=indices)
    call(fresh(make, "neighbors", kind), indices=indices)
    call(fresh(make, "mutate_indices", kind), indices=indices, rng=RNG)
    call(fresh(make, "mutate", kind), genotype=genotype, rng=RNG)
    call(fresh(make, "sample", kind), rng=RNG)
    call(fresh(make, "sample_indices", kind), rng=RNG)
    call(fresh(make, "check_assignment", kind), assignment=space.assignment(genotype))
    call(fresh(make, "genotype", kind), assignment=space.assignment(genotype))


MACRO = spaces.MacroSpace(filters=4, stages=(2,), depths=(1,), max_halvings=2)
PLANNING = spaces.PlanningSpace(filters=4, iterations=(2,))
BENCH = spaces.NASBench101Space(filters=4, num_stacks=1, cells_per_stack=1)
BENCH201 = spaces.NASBench201Space(filters=2, num_cells=1)
ENAS_MACRO = spaces.ENASMacroSpace(filters=2, num_layers=3)
PROXYLESS = spaces.ProxylessSpace(
    filters=4, num_layers=1, strides=(1, 2), primitives=("mbconv_3x3_e3", "mbconv_5x5_e3")
)
for one in (SPACE, ENAS, ENAS_MACRO, MACRO, BENCH, BENCH201, PROXYLESS):
    space_methods(one, type(one))
SUBSET = SubsetSpace(SPACE, [INDICES])
call(fresh(lambda: SUBSET, "feasible"), indices=INDICES)
call(fresh(lambda: SUBSET, "neighbors"), indices=INDICES)
call(fresh(lambda: SUBSET, "mutate_indices"), indices=INDICES, rng=RNG)
call(fresh(lambda: SUBSET, "sample_indices"), rng=RNG)
call(
    fresh(lambda: SPACE, "build_network"),
    genotype=GENOTYPE,
    input_shape=SHAPE,
    num_classes=3,
    drop_path=0.1,
    seed=0,
)
call(fresh(lambda: MACRO, "build_network"), genotype=MACRO.sample(RNG), input_shape=SHAPE, num_classes=3, seed=0)
call(
    fresh(lambda: PLANNING, "transfer"),
    model=PLANNING.build_network(PLANNING.references()["gru"], (5, 5, 3), 4),
    genotype=PLANNING.references()["gru"],
    input_shape=(7, 7, 3),
    iterations=2,
)
call(fresh(lambda: BENCH, "build_network"), genotype=BENCH.sample(RNG), input_shape=SHAPE, num_classes=3, seed=0)
call(
    fresh(lambda: SPACE, "build_supernet"),
    input_shape=SHAPE,
    num_classes=3,
    relaxation="softmax",
    seed=0,
    partial_channels=1,
    edge_normalization=False,
    input_alphas=False,
)
call(fresh(lambda: SPACE, "parts"), input_shape=SHAPE, num_classes=3)
call(fresh(lambda: MACRO, "parts_of"), genotype=MACRO.sample(RNG), input_shape=SHAPE, num_classes=3)
call(fresh(lambda: SPACE, "reachable"), max_skips=1, cost=COST, limit=1e9, allow_none=True)
call(fresh(lambda: SPACE, "resized"), filters=4, num_cells=2)
call(fresh(lambda: BENCH, "cell"), matrix=[[0, 1], [0, 0]], operations=["input", "output"])
call(fresh(lambda: BENCH, "hash"), genotype=BENCH.sample(RNG))
call(fresh(lambda: BENCH, "matrix"), genotype=BENCH.sample(RNG))
call(fresh(lambda: BENCH, "parameters"), genotype=BENCH.sample(RNG), image_channels=3, num_classes=10)
call(fresh(lambda: BENCH201, "parameters"), genotype=BENCH201.sample(RNG), input_channels=3, num_classes=10)
call(fresh(lambda: BENCH201, "to_string"), genotype=BENCH201.sample(RNG))
call(fresh(lambda: BENCH201, "from_string"), text=BENCH201.to_string(BENCH201.sample(RNG)))

# primitives
WINDOW = {"filters": 4, "strides": 1, "affine": True, "copies": 1}
call(MBConv, **WINDOW, kernel_size=3, expansion=6)
call(MaskedSepConv, **WINDOW, kernel_size=3)
call(Recurrent, **WINDOW, kind="gru", bidirectional=False)
call(SelfAttention, **WINDOW, heads=2)
call(BatchNorm, affine=True, synchronized=False)
call(primitives.MixedOp, primitives=NAMES, **WINDOW, relaxation="softmax", seed=0)
call(lambda name: primitives.register_primitive(name), "register_primitive", name="mine")

# relaxations
call(relaxations.Softmax, temperature=1.0)
call(relaxations.Gumbel, temperature=1.0, seed=0)
call(relaxations.Dirichlet, seed=0)
call(relaxations.BinaryGates, seed=0, unbiased=True)
call(relaxations.Sigmoid, zero_one_weight=10.0, threshold=0.85)
ALPHAS = np.zeros((2, 3), "float32")

# networks
TABLE = networks.ChoiceTable(cell_edges(1), ("none", "skip_connect"))
call(networks.ChoiceTable, edges=((0, 2), (1, 2)), primitives=("none", "skip_connect"), keep=2, repeats=False)
call(fresh(lambda: TABLE, "primitive_choices"), kind="normal")
call(
    networks.Supernet,
    space=SPACE,
    input_shape=SHAPE,
    num_classes=3,
    relaxation="softmax",
    partial_channels=1,
    edge_normalization=False,
    input_alphas=False,
    seed=0,
)
call(fresh(supernet, "derive"), max_skips=1, cost=COST, limit=1e9, allow_none=True)
call(fresh(supernet, "add_auxiliary_skip"), weight=0.0)
call(fresh(supernet, "one_hot_weights"), genotype=GENOTYPE)
call(networks.few_shot_network, input_shape=SHAPE, num_classes=3, filters=4, blocks=2, pooling=False, seed=0)

# costs
call(cost.network_latency, model=NETWORK, batch_size=1, rounds=1)
call(cost.pareto_front, supernet=supernet(), cost=COST, points=2, max_skips=1)
call(cost.tabulate, parts=SPACE.parts(SHAPE, 3), measure=lambda part: 1.0, name="toy", unit="apples")
TABLES = {"cell": np.ones((2, 2))}
call(cost.CostModel, name="toy", unit="apples", base=1.0, choices={"cell": TABLE}, tables=TABLES, least="cheapest")
call(fresh(lambda: COST, "cost"), genotype=GENOTYPE)
call(fresh(lambda: COST, "expected"), weights=supernet().mixing_weights())
call(cost.NetworkCost, name="toy", unit="apples", parts=lambda genotype: (), measure=lambda part: 1.0, least="cheapest")
call(fresh(lambda: COSTS["parameters"](MACRO, SHAPE, CLASSES), "cost"), genotype=MACRO.sample(RNG))
LATENCIES = cost.LatencyTable("darts", "here", SHAPE, 1, 0.0, {"a": 1.0})
LATENCIES.save(FOLDER / "latencies.json")
call(
    cost.LatencyTable,
    space="darts",
    device="here",
    input_shape=SHAPE,
    batch_size=1,
    call_ms=0.1,
    parts={"a": 1.0},
)
call(cost.LatencyTable.load, "LatencyTable.load", path=FOLDER / "latencies.json")
call(fresh(lambda: LATENCIES, "save"), path=FOLDER / "again.json")
call(
    cost.LatencyTable.measure,
    "LatencyTable.measure",
    space=spaces.NASBench201Space(filters=2, num_cells=1, primitives=["skip_connect", "none"]),
    input_shape=SHAPE,
    num_classes=3,
    batch_size=1,
    rounds=1,
    calibration=2,
    seed=0,
)
for name in ("parameters", "macs"):
    call(COSTS[name], f"COSTS[{name!r}]", space=SPACE, input_shape=SHAPE, num_classes=3)

# proxies
GRAPH_DATA = datasets.stochastic_blocks(nodes=30, classes=2, train_per_class=5)
call(proxies.ReadoutScore, space=spaces.GraphSpace(GRAPH_DATA.graph), data=GRAPH_DATA, draws=1, seed=0)
call(proxies.ProxyScore, space=SPACE, proxy="naswot", x=X, y=Y, num_classes=3, seed=0)

# trainers
call(search.BilevelOptimizer, optimizer="sgd", architecture_optimizer="adam", name="both")
call(
    search.BilevelTrainer,
    supernet=supernet(),
    hypergradient="first_order",
    weight_decay=3e-4,
    architecture_weight_decay=1e-3,
    objective=lambda model, values: 0.0,
    architecture_warmup_epochs=0,
    auxiliary_skip=0.5,
    max_skips=1,
    curvature_ratio=0.25,
    synchronized_batch_norm=False,
)
call(
    fresh(other_trainer, "compile"),
    optimizer="sgd",
    architecture_optimizer="adam",
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
    learning_rate=0.025,
    jit_compile=False,
    auto_scale_loss=True,
)
FIT = {"x": X, "y": Y, "batch_size": 6, "epochs": 1, "verbose": 0, "callbacks": [], "seed": 0, "augment": None}
call(
    fresh(trainer, "fit"),
    **FIT,
    validation_split=0.5,
    class_weight={0: 1.0},
    sample_weight=np.ones(24),
    initial_epoch=0,
    steps_per_epoch=1,
    validation_steps=1,
)
call(fresh(trainer, "fit"), "BilevelTrainer.fit with validation_data", **FIT, validation_data=(X, Y))
call(fresh(trainer, "derive"), allow_none=True)
call(fresh(trainer, "costs"), genotype=GENOTYPE)
call(fresh(trainer, "activate_architecture"), learns=True)
call(fresh(trainer, "curvature"), batch=BATCH[0], iterations=1)
call(search.BetaDecay, weight=0.1, objective=lambda model, values: 0.0)
call(search.CostObjective, cost=COST, weight=0.1, target=1000.0, form="add")
call(fresh(lambda: search.CostObjective(COST, 0.1), "costs"), genotype=GENOTYPE, supernet=supernet())
call(search.SupernetScore, supernet=supernet(), x=X, y=Y, batch_size=12)
call(search.ENASTrainer, supernet=sharing(), space=ENAS, controller=search.RandomSearch(ENAS, unique=False), seed=0)
call(
    fresh(one_shot, "compile"),
    optimizer="sgd",
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
    learning_rate=0.05,
    jit_compile=False,
)
call(
    fresh(one_shot, "fit"),
    **FIT,
    validation_split=0.5,
    initial_epoch=0,
    steps_per_epoch=1,
    validation_steps=1,
    controller_steps=1,
)
call(fresh(one_shot, "derive"), n=1, x=X, y=Y, executor=None)
call(fresh(one_shot, "rank"), n=1, x=X, y=Y, executor=None)
call(fresh(one_shot, "sample"), n=1)
call(fresh(one_shot, "evaluate_children"), genotypes=[ENAS.sample(RNG)], x=X, y=Y, batch_size=12, executor=None)
call(fresh(one_shot, "reward"), genotype=ENAS.sample(RNG), x=X, y=Y)
call(search.ENASCheckpoint, folder=FOLDER / "enas", keep=2, log=quiet)
call(
    search.select_by_perturbation,
    search=trainer(),
    x=X,
    y=Y,
    held_out=(X, Y),
    tuning_steps=1,
    batch_size=6,
    seed=0,
    log=quiet,
)

# callbacks
call(tensorboard_log.ArchitectureLog, log_dir=FOLDER / "tensorboard", images=True)
call(callbacks.AuxiliarySkipSchedule, initial=1.0)
call(callbacks.CosineSchedule, initial=1.0, minimum=0.1)
call(callbacks.CurvatureStop, batch=len, ratio=0.25, window=5)
call(callbacks.SearchCheckpoint, folder=FOLDER / "search", keep=2, log=quiet, grace=25.0)
call(callbacks.TrainingCheckpoint, folder=FOLDER / "training", keep=2, log=quiet, grace=25.0)
call(fresh(lambda: callbacks.TrainingCheckpoint(FOLDER / "training"), "restore"), model=trainer())
call(callbacks.TemperatureSchedule, initial=10.0, final=0.1, kind="linear")
call(fresh(callbacks.AuxiliarySkipSchedule, "weight"), epoch=1, epochs=3)
call(fresh(lambda: callbacks.CosineSchedule(1.0), "rate"), epoch=1, epochs=3)
call(fresh(callbacks.TemperatureSchedule, "temperature"), epoch=1, epochs=3)

# distribution
call(distribution.resolve_strategy, strategy="auto", timeout=10.0, log=quiet)

# contract checks
call(testing.check_primitive, name="skip_connect", filters=4, channels=4, rank=2)
call(testing.check_relaxation, relaxation=relaxations.Softmax(), distribution=True)
call(testing.check_space, space=SPACE, input_shape=SHAPE, num_classes=3, samples=2)
call(testing.check_strategy, strategy="random")
