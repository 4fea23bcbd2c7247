"""Right calls of meta-learning and federated search."""

import functools
import tempfile
from pathlib import Path

import keras
import numpy as np

from kerasnas import callbacks, datasets, drift, federated, meta, search, spaces, tasks
from kerasnas.datasets.mixture import TaskMixture
from kerasnas.datasets.sinusoids import SinusoidTasks
from kerasnas.drift.accuracy import AccuracyTest
from kerasnas.drift.two_sample import MaximumTest
from kerasnas.federated.averaging import Values
from kerasnas.meta.evaluation import Estimate
from kerasnas.meta.experience import load_experiences, save_experiences
from kerasnas.meta.inner_optimizers import InnerAdam
from kerasnas.meta.race_experience import Advice, RaceExperience
from kerasnas.meta.shelf import initializer_names, load_initializer
from kerasnas.meta.tasks import describe_task
from tests.bad_inputs.calls_of_networks import CLASSES, SHAPE, X, Y, supernet
from tests.bad_inputs.calls_of_networks import SPACE as FEDERATED_SPACE
from tests.bad_inputs.table import call, fresh
from tests.meta.test_race_experience import A, B, race

SPACE = spaces.NASBench201Space()
RNG = np.random.default_rng(0)
FOLDER = Path(tempfile.mkdtemp())
for name in ("monitor", "monitor again"):
    (FOLDER / name).mkdir()
SINES = SinusoidTasks(shots=2, query_shots=2)


def regressor():
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, activation="tanh"), keras.layers.Dense(1)])


MODEL = regressor()
INNER = {"inner_steps": 1, "inner_learning_rate": 0.1, "adaptation_steps": 1, "adaptation_batch_size": 2}


@functools.cache
def learner():
    found = meta.Reptile(regressor(), inner_steps=1, adaptation_steps=1)
    found.compile(loss="mse", run_eagerly=True)
    return found


@functools.cache
def maml():
    found = meta.MAML(regressor())
    found.compile(loss="mse", run_eagerly=True)
    return found


call(
    meta.MAML,
    model=MODEL,
    first_order=True,
    **INNER,
    inner_optimizer="sgd",
    inner_batch_size=2,
    inner_variables="all",
    learn_inner_rates=False,
    multi_step_loss_steps=0,
    per_step_statistics=False,
    per_step_scale_offset=False,
    first_order_steps=0,
    cosine_annealing=False,
)
call(meta.Reptile, model=MODEL, **INNER, inner_optimizer="sgd", inner_batch_size=2, inner_variables="all")
call(
    meta.MetaNAS,
    model=supernet(),
    **INNER,
    inner_optimizer="sgd",
    inner_batch_size=2,
    architecture_learning_rate=0.1,
    architecture_step=0.6,
    architecture_warmup=0.5,
    temperatures=(1.0, 0.05),
    annealing="task",
    joint=False,
    search=True,
)
for make, kind in ((learner, meta.Reptile), (maml, meta.MAML)):
    call(
        fresh(make, "fit", kind),
        sampler=SINES,
        steps=1,
        tasks=1,
        steps_per_epoch=1,
        verbose=0,
        callbacks=[],
    )
    call(fresh(make, "adapt", kind), episode=SINES.episode(0), steps=1)
    call(fresh(make, "evaluate", kind), sampler=SINES, episodes=1, tasks=1, steps=1, executor=None)
    call(fresh(make, "compile", kind), optimizer="sgd", loss="mse", metrics=["mae"], jit_compile=False)
call(InnerAdam, beta_2=0.999, epsilon=1e-8)
call(Estimate.of, "Estimate.of", samples=[1.0, 2.0])


@functools.cache
def metanas():
    found = meta.MetaNAS(supernet())
    found.compile(run_eagerly=True)
    return found


call(fresh(metanas, "harden"), model=supernet(), x=X)

EXPERIENCE = race(A, B)
call(
    RaceExperience,
    task=EXPERIENCE.task,
    budget=EXPERIENCE.budget,
    candidates=EXPERIENCE.candidates,
    winner=A,
    test_score=0.9,
    baseline=0.5,
    machine={"device": "x"},
    date="2026-01-31",
    kerasnas_version="0.1.0",
    inputs="image",
    predicts="classification",
)
call(RaceExperience.from_line, "RaceExperience.from_line", line=EXPERIENCE.to_line())
call(meta.ExperienceStore, folder=FOLDER / "store")
STORE = meta.ExperienceStore(FOLDER / "store")
call(fresh(lambda: STORE, "append"), experience=EXPERIENCE)
call(fresh(lambda: STORE, "forget"), number=1)
(FOLDER / "others.jsonl").write_text(EXPERIENCE.to_line() + "\n")
call(fresh(lambda: STORE, "merge"), path=FOLDER / "others.jsonl")
call(fresh(lambda: STORE, "set_consent"), consent=True)
call(
    meta.advise,
    task=EXPERIENCE.task,
    seconds=300.0,
    experiences=[EXPERIENCE],
    space="macro",
    neighbors=1,
    inputs="image",
    predicts="classification",
)
call(
    Advice,
    genotype=SPACE.sample(RNG),
    score=1.0,
    wins=1,
    experiences=(EXPERIENCE,),
)
call(describe_task, x=X, y=Y, num_classes=CLASSES, task=tasks.CLASSIFICATION, inputs="image")
call(load_initializer, name_or_folder=initializer_names()[0])
SOURCE = meta.SearchExperience(
    SPACE.name, SPACE.cardinalities, tuple((SPACE.sample_indices(RNG), float(number)) for number in range(9))
)
call(
    meta.SearchExperience,
    space=SPACE.name,
    cardinalities=SPACE.cardinalities,
    observations=SOURCE.observations,
    name="one",
)
call(meta.SearchExperience.of, "SearchExperience.of", strategy=search.RandomSearch(SPACE), name="one")
call(
    meta.TransferPredictor,
    space=SPACE,
    sources=[SOURCE],
    seed=0,
    unique=True,
    initial=2,
    batch_size=2,
    cost_limit=1.0,
    trust=20.0,
)
call(save_experiences, path=FOLDER / "experiences.json", experiences=[SOURCE])
save_experiences(FOLDER / "experiences.json", [SOURCE])
call(load_experiences, path=FOLDER / "experiences.json")
call(
    meta.pretrain_policy,
    make=search.Reinforce,
    space=SPACE,
    sources=[SOURCE],
    steps=1,
    batch_size=2,
    learning_rate=0.05,
    seed=0,
)
call(
    meta.reptile_policy,
    make=search.Reinforce,
    space=SPACE,
    sources=[SOURCE],
    outer_steps=1,
    inner_steps=1,
    batch_size=2,
    outer_rate=0.2,
    interpolate=True,
    seed=0,
)
INITIALIZER = meta.ReptileInitializer.from_learner(learner())
INITIALIZER.save(FOLDER / "initializer")
call(meta.ReptileInitializer, model=MODEL, parameters=None, description={"by": "me"}, learned=None)
call(meta.ReptileInitializer.from_learner, "ReptileInitializer.from_learner", learner=learner())
call(meta.ReptileInitializer.from_strategy, "ReptileInitializer.from_strategy", strategy=search.Reinforce(SPACE))
call(meta.ReptileInitializer.load, "ReptileInitializer.load", folder=FOLDER / "initializer")
call(fresh(lambda: INITIALIZER, "save"), folder=FOLDER / "again")
call(meta.warm_start, search=regressor(), initializer=INITIALIZER)

# data of tasks
call(TaskMixture, families=[SINES, SINES], seed=0)
np.savez(
    FOLDER / "characters.npz",
    images=np.zeros((2, 20, 28, 28), "uint8"),
    split=[0, 1],
    alphabet=[1, 0],
    alphabet_names=["Greek", "Latin"],
    class_names=["Latin/character01", "Greek/character01"],
)
call(datasets.omniglot, split="background", size=28, path=FOLDER / "characters.npz")
call(datasets.grouped_split, y=Y, groups=np.arange(24) // 6, fraction=0.5, seed=0)
call(datasets.unit_pixels, x=X)
call(datasets.flip_vertical, batch=X, rng=RNG)
call(datasets.rotate, batch=X, rng=RNG)

# drift
POINTS = np.random.default_rng(0).normal(size=(40, 2))
SIDES = (POINTS[:, 0] > 0).astype(int)
NORMED = keras.Sequential(
    [keras.Input((2,)), keras.layers.BatchNormalization(), keras.layers.Dense(2, activation="softmax")]
)
MONITOR = drift.DriftMonitor(NORMED, POINTS, SIDES, window=20)
MONITOR.save(FOLDER / "monitor")
call(callbacks.DriftCallback, monitor=MONITOR, on_drift=len)
call(drift.adapt_batch_norm, model=NORMED, x=POINTS, batch_size=20)
call(AccuracyTest, wrong=3, labels=40, false_alarms=0.01, window=20, rise=0.05)
call(drift.Change, name="mean", before=0.1, now=0.2, statistic=3.0)
call(drift.DriftReport, kinds=("inputs",), statistic=1.0, threshold=2.0, p_value=0.1, windows=1, waiting=0)
call(fresh(lambda: MaximumTest(POINTS), "p_value"), statistic=1.0, size=20)
call(fresh(lambda: MONITOR, "examine"), x=POINTS, y=SIDES)
call(fresh(lambda: MONITOR, "output_distance"), x=POINTS, model=NORMED)
call(fresh(lambda: MONITOR, "renewed"), model=NORMED, x_reference=POINTS, y_reference=SIDES)
call(fresh(lambda: MONITOR, "save"), folder=FOLDER / "monitor again")
call(drift.DriftMonitor.load, "DriftMonitor.load", folder=FOLDER / "monitor", model=NORMED)

# federated
SEARCH = search.BilevelTrainer(FEDERATED_SPACE.build_supernet(SHAPE, CLASSES), auxiliary_skip=0.0, curvature_ratio=None)
SEARCH.compile(run_eagerly=True)
CLIENT = {"name": "one", "search": SEARCH, "x": X, "y": Y}


@functools.cache
def client():
    return federated.FederatedClient(**CLIENT, batch_size=6)


VALUES = federated.shared_values(SEARCH)
call(
    federated.FederatedClient,
    **CLIENT,
    batch_size=6,
    local_epochs=1,
    optimizer_state="kept",
    batch_norm="averaged",
    validation_split=0.5,
    augment=datasets.flip,
    callbacks=list,
    seed=0,
)
call(fresh(client, "evaluate"), values=VALUES, x=X, y=Y)
call(fresh(client, "train"), values=VALUES, number=0, rounds=1)
call(fresh(client, "personalize"), values=VALUES, epochs=1)
call(fresh(client, "set_state"), state=client().get_state())
call(federated.ClientInfo, name="one", samples=3, sample_shape=SHAPE)
call(federated.Update, values=VALUES, samples=3, results={"loss": 1.0})
call(Values, weights=[np.zeros(2)], alphas=[np.zeros(2)], statistics=[np.zeros(2)])
call(federated.shared_values, search=SEARCH, batch_norm="averaged")
call(federated.assign_values, search=SEARCH, values=VALUES, batch_norm="averaged")
