"""Right calls of the pipeline, of exports, of reports and of tables in files; and of KerasTuner's parts."""

import functools
import json
import tempfile
from pathlib import Path

import keras
import keras_tuner
import numpy as np

import tuners
from kerasnas import (
    DriftMonitor,
    GraphClassifier,
    ImageClassifier,
    ImageRegressor,
    TextClassifier,
    datasets,
    deployment,
    diagnostics,
    export,
    intervals,
    methods,
    racing,
    reporting,
    runs,
    search,
    training,
)
from kerasnas import tabular as tables
from kerasnas.files import Stages
from kerasnas.genotypes import DARTS_V1, Genotype
from kerasnas.methods import RaceConfig
from kerasnas.racing import Shortlist
from kerasnas.runs.folder import RunFolder
from kerasnas.tasks import CLASSIFICATION
from kerasnas.training import TrainingRecipe
from tests.bad_inputs.calls_of_algorithms import CELLS
from tests.bad_inputs.calls_of_algorithms import TABLE as BENCH
from tests.bad_inputs.calls_of_networks import (
    ENAS,
    GENOTYPE,
    SHAPE,
    SPACE,
    X,
    Y,
    trainer,
)
from tests.bad_inputs.table import call, fresh

FOLDER = Path(tempfile.mkdtemp())
RNG = np.random.default_rng(0)
CLASSES = ("0", "1", "2")


def quiet(line):
    """Log nothing."""


IMAGES = RNG.integers(0, 256, (90, 6, 6, 1), np.uint8)
LABELS = np.arange(90) % 3
DATA = {"x_train": IMAGES[:40], "y_train": LABELS[:40], "x_test": IMAGES[40:], "y_test": LABELS[40:]}
np.savez(FOLDER / "data.npz", **DATA)
for name in ("images", "saved", "written", "plots", "stages"):
    (FOLDER / name).mkdir()
for number, image in enumerate(IMAGES[:20]):
    keras.utils.save_img(FOLDER / "images" / f"{number}.png", image, scale=False)
INPUTS = keras.Input((6, 6, 1))
NETWORK = keras.Model(INPUTS, keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(INPUTS))))
RUN = RunFolder.create(FOLDER / "run", RaceConfig(dataset=str(FOLDER / "data.npz"))).path
export.save_classifier(RUN, NETWORK, CLASSES, 255)
CURVES = {"loss": [1.0, 0.5], "val_loss": [1.0, 0.7]}
RECORD = {
    "genotype": json.loads(GENOTYPE.to_json()),
    "searched": {
        "test_accuracy": 0.5,
        "seconds": 3.0,
        "parameters": 9,
        "history": CURVES,
        "genotype": json.loads(GENOTYPE.to_json()),
    },
    "dataset": {"name": "data", "test_examples": 20},
    "random": [{"test_accuracy": 0.4, "seconds": 2.0}],
}
(RUN / "result.json").write_text(json.dumps(RECORD))
GENOTYPE.save(RUN / "genotype.json")
CLASSIFIER = export.load_classifier(RUN)

# genotypes, intervals and tables
call(fresh(lambda: GENOTYPE, "save"), path=FOLDER / "genotype.json")
call(Genotype.load, "Genotype.load", path=RUN / "genotype.json")
call(intervals.wilson_interval, accuracy=0.9, samples=10, z=1.96)
call(intervals.paired_difference, first=[True, False], second=[False, False])
call(
    tables.NASBenchGraph,
    name="toy",
    space=BENCH.space,
    columns={"valid_1": np.ones(3)},
    row=len,
    genotype=len,
)
assert CELLS is not None

# exports
call(export.Classifier, model=CLASSIFIER.model, classes=CLASSES, scale=255.0, image_fit="stretch")
call(fresh(lambda: CLASSIFIER, "answers"), x=IMAGES)
call(
    export.Export,
    format="litert",
    path=FOLDER,
    size=9,
    samples=3,
    agreement=1.0,
    difference=0.0,
    latency_ms=1.0,
    threads=2,
)
call(export.Format, title="One", path="one", write=len, load=len, packages=("numpy",), tolerance=0.001)
call(export.Loaded, predict=len, threads=1, batch=1)
LOADED = export.Loaded(CLASSIFIER.answers, 1)
call(fresh(lambda: LOADED, "answers"), x=IMAGES)
call(fresh(lambda: LOADED, "latency_ms"), sample=IMAGES[:1])
call(export.check_formats, formats=["litert"])
call(export.check_convertible, classifier=CLASSIFIER, names=["litert"])
call(
    export.export_classifier,
    classifier=CLASSIFIER,
    name="savedmodel",
    folder=FOLDER / "exported",
    x=IMAGES,
    calibration=IMAGES,
)
call(export.load_classifier, folder=RUN)
call(
    export.save_classifier,
    folder=FOLDER / "saved",
    network=NETWORK,
    classes=CLASSES,
    scale=255.0,
    image_fit="stretch",
)
call(export.with_preprocessing, network=NETWORK, scale=255.0, task=CLASSIFICATION)
call(export.save_node_classifier, folder=FOLDER / "written", model=NETWORK, classes=CLASSES, nodes=3)
call(export.write_model, folder=FOLDER / "written", model=NETWORK)


# the pipeline
@functools.cache
def classifier():
    (FOLDER / "estimator").mkdir()
    (FOLDER / "estimator" / "run").symlink_to(RUN)
    return ImageClassifier.load(FOLDER / "estimator")


call(
    ImageClassifier,
    minutes=0.001,
    folder=FOLDER / "own",
    test_split=0.1,
    log=quiet,
    seed=0,
    ensemble=1,
    candidates=1,
)
call(
    ImageRegressor,
    minutes=0.001,
    folder=FOLDER / "numbers",
    test_split=0.1,
    log=quiet,
    seed=0,
    ensemble=1,
    candidates=1,
)
call(
    GraphClassifier,
    minutes=0.001,
    folder=FOLDER / "nodes",
    log=quiet,
    seed=0,
    evaluations=1,
    members=1,
)
call(TextClassifier, folder=FOLDER / "texts", test_split=0.1, log=quiet, seed=0, epochs=1)
call(fresh(classifier, "evaluate"), x=IMAGES, y=LABELS.astype(str))
call(fresh(classifier, "score"), x=IMAGES, y=LABELS.astype(str))
call(fresh(classifier, "predict"), x=IMAGES)
call(fresh(classifier, "predict_proba"), x=IMAGES)
call(fresh(classifier, "export"), formats=["savedmodel"], output=FOLDER / "classifier export")
call(ImageClassifier.load, "ImageClassifier.load", folder=FOLDER / "estimator")
call(diagnostics.ComparisonConfig, table="synthetic", strategies=("random",), evaluations=2, seeds=1, workers=0)
call(diagnostics.DoctorConfig, distribution="auto", timeout=60)
call(methods.PretrainingConfig, datasets=("fashion_mnist_mini",), network="vgg_3x3", minutes=1.0, seed=0)
call(methods.GraphConfig, dataset="graph.npz", space="graphs", minutes=1.0, evaluations=1, members=1, seed=0)
call(
    methods.RaceConfig,
    dataset="fashion_mnist_mini",
    image_size="auto",
    image_fit="stretch",
    task="auto",
    target=(),
    space="macro",
    genotypes=(),
    minutes=1.0,
    cpu_minutes=0.0,
    candidates=2,
    ensemble=1,
    augment=("shift",),
    validation_split=0.2,
    max_parameters=9,
    latency_target_ms=1.0,
    initializer="none",
    remember=True,
    no_experience=True,
    seed=0,
)
NETWORKS = {"space": "darts", "num_nodes": 2, "primitives": ("none", "skip_connect"), "sparse": True, "stem_strides": 1}
RETRAIN = {"retrain_filters": 4, "retrain_cells": 2, "retrain_epochs": 1, "retrain_batch_size": 4}
STEP = {
    **NETWORKS,
    "filters": 4,
    "num_cells": 2,
    "epochs": 3,
    "batch_size": 4,
    "validation_split": 0.4,
    "hypergradient": "unrolled",
    "relaxation": "softmax",
    "partial_channels": 2,
    "edge_normalization": True,
    "architecture_warmup_epochs": 1,
    "auxiliary_skip": 0.5,
}
call(
    methods.SearchConfig,
    **STEP,
    **RETRAIN,
    retrain_learning_rate=0.2,
    drop_path=0.1,
    augment=("flip",),
    seed=1,
    learning_rate=0.2,
    architecture_learning_rate=0.1,
    temperature=("1", "0.1"),
    max_skips="1",
    curvature_ratio=0.3,
    cost="parameters",
    cost_weight=0.1,
    cost_target=1.0,
    cost_form="add",
    shortlist=2,
    shortlist_steps=("1", "2"),
    initializer="none",
    remember=True,
    no_experience=True,
    random_genotypes=1,
    distribution="auto",
)
call(diagnostics.TimingConfig, **STEP, steps=1)
call(
    methods.TrainingConfig,
    **NETWORKS,
    **RETRAIN,
    retrain_learning_rate=0.2,
    drop_path=0.1,
    augment=("flip",),
    seed=1,
)
RECIPE = TrainingRecipe(epochs=1, batch_size=12)
call(
    TrainingRecipe,
    epochs=1,
    batch_size=12,
    learning_rate=0.1,
    augment=datasets.flip,
    compile=len,
    options={"drop_path": 0.1},
    weight_decay=0.1,
    label_smoothing=0.1,
)
call(fresh(lambda: RECIPE, "optimizer"), steps=3)
call(fresh(lambda: RECIPE, "compile_network"), model=NETWORK, steps=3)
call(training.NetworkTraining, space=SPACE, input_shape=SHAPE, num_classes=3, recipe=RECIPE)
TRAINING = training.NetworkTraining(SPACE, SHAPE, 3, RECIPE)
call(fresh(lambda: TRAINING, "build"), genotype=GENOTYPE, steps=3, seed=0)
call(
    fresh(lambda: TRAINING, "run"),
    stages=Stages(FOLDER / "training"),
    name="one",
    genotype=GENOTYPE,
    data=(X, Y),
    held_out=(X, Y),
    seed=0,
    evaluated_on="test",
    validate=False,
    keep=2,
    log=quiet,
    verbose=0,
    augment=datasets.flip,
    callbacks=list,
)
call(Shortlist, size=2, steps=(1, 2), proxy="auto", evaluations=2)
call(fresh(Shortlist, "rungs"), number=4)
call(Stages, path=FOLDER / "stages")
STAGES = Stages(FOLDER / "stages")
call(fresh(lambda: STAGES, "checkpoints"), name="one")
call(fresh(lambda: STAGES, "finish"), name="one", record={"a": 1})
call(fresh(lambda: STAGES, "stage"), name="one")
call(deployment.Prediction, path=FOLDER, label="a", probability=0.5, probabilities={"a": 0.5})
call(runs.Progress, mode="auto", quiet=True)
call(fresh(lambda: runs.Progress(quiet=True), "conclude"), text="done")
call(fresh(lambda: runs.Progress(quiet=True), "phase"), name="search")
call(
    deployment.Readaptation,
    model=NETWORK,
    adopted=True,
    reason="better",
    before=0.1,
    after=0.2,
    steps=3,
    seconds=1.0,
    held_out=np.arange(3),
)
CONFIG = methods.TrainingConfig(**NETWORKS)
call(methods.Rebuilt, genotype=DARTS_V1, config=CONFIG)
call(methods.Rebuilt.from_dict, "Rebuilt.from_dict", record=methods.Rebuilt(DARTS_V1, CONFIG).to_dict())
call(
    diagnostics.compare, config=diagnostics.ComparisonConfig(evaluations=2, seeds=1), output_dir=FOLDER / "c", log=quiet
)
call(deployment.evaluate, folder=RUN, dataset="")
call(deployment.load, name="fashion_mnist_mini")
call(
    deployment.export,
    folder=RUN,
    formats=["savedmodel"],
    output=FOLDER / "run export",
    dataset="",
    samples=5,
    log=quiet,
)
call(methods.fitting, genotype=DARTS_V1, retrain_filters=4)
call(methods.make_space, config=methods.TrainingConfig(space="darts"), data=None)
call(deployment.monitor, folder=RUN, new=FOLDER / "images", labels=False, minutes=0.01, dataset="", seed=0, log=quiet)
call(methods.plot, folder=RUN, log=quiet)
call(runs.plot_genotype, genotype=GENOTYPE, output_dir=FOLDER / "plots")
call(deployment.predict, folder=RUN, paths=[FOLDER / "images"])
call(methods.read_network, path=RUN / "genotype.json")
call(
    racing.rerank,
    search=trainer(),
    x=X,
    y=Y,
    settings=Shortlist(1, (1,), evaluations=1),
    recipe=RECIPE,
    validation_split=0.5,
    seed=0,
    log=quiet,
)
call(
    racing.rerank_genotypes,
    space=SPACE,
    found=[GENOTYPE],
    x=X,
    y=Y,
    num_classes=3,
    settings=Shortlist(1, (1,), evaluations=1),
    recipe=RECIPE,
    within=None,
    validation_split=0.5,
    seed=0,
    log=quiet,
)
call(
    training.run_search,
    stages=Stages(FOLDER / "a search"),
    build=trainer,
    data=(X, Y),
    fit={"epochs": 1, "batch_size": 12, "verbose": 0},
    callbacks=list,
    describe=dict,
    keep=2,
    log=quiet,
    name="search",
)
call(
    racing.run_shortlist,
    stages=Stages(FOLDER / "a shortlist"),
    settings=Shortlist(1, (1,), evaluations=1),
    found=[GENOTYPE],
    training=TRAINING,
    data=(X, Y),
    held_out=(X, Y),
    within=None,
    seed=0,
    log=quiet,
    name="shortlist",
    executor=None,
    remembered=[GENOTYPE],
)
call(runs.open_executor, name="local", imports=())
call(
    runs.make_record,
    stages=STAGES,
    searched=RECORD["searched"],
    found={"seconds": 1.0, "parameters": 9, "history": CURVES},
    random=[],
    dataset={"name": "a"},
    settings={"a": 1},
    command="x",
    evaluated_on="test",
)
call(runs.write_record, stages=STAGES, record=RECORD, found=None)
POINTS = np.random.default_rng(0).normal(size=(40, 2))
SIDES = (POINTS[:, 0] > 0).astype(int)
FLAT = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
call(
    deployment.readapt,
    model=FLAT,
    x=POINTS,
    y=SIDES,
    seconds=1.0,
    replay=(POINTS, SIDES),
    monitor=DriftMonitor(FLAT, POINTS, SIDES),
    validation_split=0.5,
    learning_rate=0.1,
    batch_size=8,
    most_steps=1,
    cpu=True,
    seed=0,
    clock=None,
)

# reports
call(reporting.CostPoint, name="a", cost=1.0, accuracy=0.5)
call(reporting.closing_text, result=RECORD, folder=RUN)
call(reporting.duration, seconds=3.0)
call(reporting.evaluation_text, record=deployment.evaluate(RUN))
EXPORTS = {"machine": "here", "samples": 3, "files": []}
call(reporting.exports_text, result={"exports": EXPORTS})
call(reporting.phases, result=RECORD)
call(
    reporting.plot_alphas,
    history={"normal": np.array([[[0.5, 0.5]], [[0.4, 0.6]]])},
    path=FOLDER / "alphas.png",
    primitives={"normal": ["none", "skip_connect"]},
    edges={"normal": [(0, 2)]},
)
call(reporting.plot_cell, genotype=DARTS_V1, kind="normal", path=FOLDER / "cell.png", concat=[2, 3, 4, 5])
call(reporting.plot_comparison, result=RECORD, path=FOLDER / "comparison.png")
call(
    reporting.plot_front,
    points=[reporting.CostPoint("a", 1.0, 0.5)],
    path=FOLDER / "front.png",
    cost="parameters",
    target=2.0,
)
RACE = {
    "race": {
        "winner": "a",
        "rungs": [[1, 4]],
        "validation_samples": 10,
        "contestants": {
            "a": {
                "kind": "default",
                "genotype": RECORD["genotype"],
                "prior": 0.5,
                "parameters": 9,
                "macs": 9,
                "outcome": "won",
                "rungs": [
                    {"accuracy": 0.5, "expected": 0.5, "steps": 4, "seconds": 1.0, "epochs_at_the_end": 1.0},
                ],
            }
        },
        "baseline": None,
        "comparison": [],
    },
    **RECORD,
}
call(reporting.plot_race, result=RACE, path=FOLDER / "race.png")
call(reporting.plot_race_front, result=RACE, path=FOLDER / "race front.png")
call(reporting.plot_regret, regrets={"random": np.ones((2, 3))}, path=FOLDER / "regret.png", title="a")
call(reporting.plot_training, history=CURVES, path=FOLDER / "training.png")
call(
    reporting.predictions_text,
    rows=[("a.png", {"cat": 0.25, "dog": 0.75})],
    form="text",
)
call(reporting.verdict, result=RECORD)
call(reporting.write_card, folder=FOLDER, result=RECORD)
call(reporting.write_report, folder=FOLDER, result=RECORD)

# KerasTuner
PROJECT = {"seed": 0, "max_trials": 2}
ORACLE = {"space": SPACE, "objective": "val_accuracy", **PROJECT, "costs": {}}
FIDELITY = {"budgets": (1, 3), "eta": 3}
for oracle in (
    tuners.ControllerOracle,
    tuners.DefaultOracle,
    tuners.EvolutionOracle,
    tuners.LocalSearchOracle,
):
    call(oracle, oracle.__name__, **ORACLE)
MULTI = {name: value for name, value in ORACLE.items() if name != "max_trials"}
call(tuners.ASHAOracle, **MULTI, **FIDELITY, max_trials=2, strategy="random")
call(tuners.HyperbandOracle, **MULTI, **FIDELITY, strategy="random")
call(tuners.SuccessiveHalvingOracle, **MULTI, **FIDELITY, strategy="random")
call(tuners.BOHBOracle, **MULTI, **FIDELITY)
GOALS = ["val_accuracy", keras_tuner.Objective("parameters", "min")]
COSTS = {"parameters": lambda genotype: 1.0}
call(tuners.ParetoOracle, **{**ORACLE, "objective": GOALS, "costs": COSTS}, strategy="nsga2")
call(tuners.RandomOracle, objective="val_accuracy", **PROJECT)
call(
    tuners.StrategyOracle,
    strategy=search.RandomSearch(SPACE),
    objective="val_accuracy",
    max_trials=2,
    costs={},
)
call(tuners.ParetoTrial, trial_id="0", genotype=GENOTYPE, values={"a": 1.0})
call(tuners.CheckedHyperModel, hypermodel=lambda hp: NETWORK)
call(
    tuners.GenotypeHyperModel,
    space=SPACE,
    input_shape=SHAPE,
    num_classes=3,
    compile=lambda model, hp: None,
    batch_size=[4, 8],
    epochs=1,
    name="one",
)
HYPERMODEL = tuners.SupernetHyperModel(SPACE, SHAPE, 3)
call(
    tuners.SupernetHyperModel,
    space=SPACE,
    input_shape=SHAPE,
    num_classes=3,
    filters=[2, 4],
    num_cells=1,
    relaxation="softmax",
    hypergradient="first_order",
    learning_rate=(0.01, 0.1),
    architecture_learning_rate=0.1,
    batch_size=[4, 8],
    epochs=1,
    supernet_options={"partial_channels": 1},
    trainer_options={"weight_decay": 0.1},
    compile_options={"run_eagerly": True},
    name="one",
)
call(
    tuners.SharedWeights,
    controller=search.RandomSearch(ENAS, unique=False),
    learning_rate=0.1,
    supernet_options={"seed": 1},
    compile_options={"run_eagerly": True},
)
PLACE = {"directory": str(FOLDER), "project_name": "one", "overwrite": True}
TUNER = {**PROJECT, "training": RECIPE, "folds": 2, "report": False, **PLACE, "objective": "val_accuracy"}
TUNER["executor"] = None
call(tuners.SupernetTuner, hypermodel=HYPERMODEL, **TUNER)
call(tuners.OneShotTuner, space=ENAS, input_shape=SHAPE, num_classes=3, retrain_best=1, **TUNER)
SEARCH = {"x": X, "y": Y, "epochs": 1, "batch_size": 4, "augment": datasets.flip, "callbacks": [], "verbose": 0}
SHARES = {"validation_split": 0.5, "architecture_split": 0.5}


def supernet_tuner():
    return tuners.SupernetTuner(HYPERMODEL, max_trials=1, directory=str(FOLDER), project_name="s", overwrite=True)


def one_shot_tuner():
    return tuners.OneShotTuner(
        ENAS, SHAPE, 3, max_trials=1, directory=str(FOLDER), project_name="o", overwrite=True, report=False
    )


call(fresh(supernet_tuner, "search", tuners.SupernetTuner), **SEARCH, **SHARES)
call(fresh(one_shot_tuner, "search", tuners.OneShotTuner), **SEARCH, **SHARES, controller_steps=1)
QUICK = {"hypermodel": tuners.GenotypeHyperModel(SPACE, SHAPE, 3), "project_name": "one"}
call(
    tuners.GenotypeTuner,
    "GenotypeTuner",
    oracle=tuners.StrategyOracle(search.RandomSearch(SPACE), "val_accuracy", max_trials=1),
    **QUICK,
)
