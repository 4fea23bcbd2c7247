"""The training stage and its recipe: one network trained once, the same wherever it is called from."""

import functools
import time
from functools import partial

import keras
import numpy as np
import pytest

from kerasnas import BilevelTrainer, DARTSSpace
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.export.classifier import write_model
from kerasnas.files.stages import Stages
from kerasnas.modalities.augmentations import shift
from kerasnas.networks.initialization import initialize
from kerasnas.training import loop as training_loop
from kerasnas.training import network_training
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe
from kerasnas.training.search_stage import run_search

SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
GENOTYPE = SPACE.sample(np.random.default_rng(0))
RNG = np.random.default_rng(0)
DATA = RNG.random((24, 8, 8, 1)).astype("float32"), np.arange(24) % 3
TEST = RNG.random((12, 8, 8, 1)).astype("float32"), np.arange(12) % 3


class Epochs(keras.callbacks.Callback):
    """Notes the epochs; interrupts one."""

    def __init__(self, seen, stop=None):
        super().__init__()
        self.seen, self.stop = seen, stop

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch)
        if epoch == self.stop:
            raise KeyboardInterrupt


@pytest.mark.usefixtures("eagerly")
def test_the_recipe_spelled_out(tmp_path):
    """Against Keras alone: the published recipe of DARTS."""
    recipe = TrainingRecipe(2, 12, 0.05, augment=shift, options={"filters": 3})
    record = NetworkTraining(SPACE, (8, 8, 1), 3, recipe).run(Stages(tmp_path), "one", GENOTYPE, DATA, TEST, seed=4)
    model = SPACE.build_network(GENOTYPE, (8, 8, 1), 3, filters=3, seed=4)
    schedule = keras.optimizers.schedules.CosineDecay(0.05, 2 * 2)
    model.compile(
        keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, global_clipnorm=5.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    batches = ArrayBatches(*DATA, 12, seed=4, augment=shift)
    follow = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.set_epoch(epoch))
    history = model.fit(batches, epochs=2, shuffle=False, verbose=0, callbacks=[follow]).history
    loss, accuracy = model.evaluate(*TEST, verbose=0)
    assert record["history"]["loss"] == pytest.approx(history["loss"], rel=1e-5)
    assert (record["test_loss"], record["test_accuracy"]) == (pytest.approx(loss, rel=1e-5), pytest.approx(accuracy))
    assert record["parameters"] == sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)


@pytest.mark.usefixtures("eagerly")
def test_an_interrupted_training_resumes_and_a_finished_one_is_not_repeated(tmp_path):
    training, seen = NetworkTraining(SPACE, (8, 8, 1), 3, TrainingRecipe(2, 12)), []

    def run(folder, stop=None, **options):
        arguments = (Stages(folder), "one", GENOTYPE, DATA, TEST)
        return training.run(*arguments, callbacks=lambda: [Epochs(seen, stop)], **options)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", stop=1)
    lines = []
    resumed = run(tmp_path / "cut", log=lines.append)
    assert seen == [0, 1, 1] and lines == ["  resuming after epoch 1"]
    assert run(tmp_path / "cut") == resumed and seen == [0, 1, 1]
    whole = run(tmp_path / "whole", keep_model=partial(write_model, tmp_path / "whole"))
    assert resumed["history"]["loss"] == pytest.approx(whole["history"]["loss"], rel=1e-4)
    assert not (tmp_path / "cut" / "model.keras").exists()
    loss, _ = keras.models.load_model(tmp_path / "whole" / "model.keras").evaluate(*TEST, verbose=0)
    assert loss == pytest.approx(whole["test_loss"], rel=1e-5)


def search(stages, callback):
    def build():
        trainer = BilevelTrainer(SPACE.build_supernet((8, 8, 1), 3, seed=0))
        trainer.compile()
        return trainer

    fit = {"epochs": 2, "batch_size": 4, "verbose": 0}
    return run_search(stages, build, DATA, fit, lambda: [callback], log=str)


def train(stages, callback):
    training = NetworkTraining(SPACE, (8, 8, 1), 3, TrainingRecipe(2, 8))
    return training.run(stages, "one", GENOTYPE, DATA, DATA, callbacks=lambda: [callback], log=str)


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("stage", [search, train])
def test_seconds_of_a_stage_are_those_of_all_its_processes(stage, tmp_path):
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        stage(Stages(tmp_path), Epochs([], stop=1))
    resumed = time.perf_counter()
    record = stage(Stages(tmp_path), Epochs([]))
    ended = time.perf_counter()
    assert ended - resumed < record["seconds"] < ended - began


@pytest.mark.usefixtures("eagerly")
def test_held_out_data_can_be_validation_data(tmp_path):
    training = NetworkTraining(SPACE, (8, 8, 1), 3, TrainingRecipe(1, 24))
    record = training.run(Stages(tmp_path), "one", GENOTYPE, DATA, TEST, evaluated_on="val", validate=True)
    assert record["val_loss"] == pytest.approx(record["history"]["val_loss"][-1], rel=1e-5)
    assert "test_loss" not in record
    assert set(training.reported(TEST)) == {"loss", "accuracy"}


@pytest.mark.parametrize(("samples", "size"), [(23, 22), (24, 16), (9, 8), (1, 1)])
def test_batches_of_few_samples_are_of_even_size(samples, size, tmp_path, monkeypatch):
    def batches(x, y, size, **options):
        raise StopIteration(size)

    monkeypatch.setattr(network_training, "ArrayBatches", batches)
    training = NetworkTraining(SPACE, (8, 8, 1), 3, TrainingRecipe(1, 16 if samples == 24 else 64))
    with pytest.raises(StopIteration, match=f"^{size}$"):
        training.run(Stages(tmp_path), "one", GENOTYPE, tuple(part[:samples] for part in DATA), TEST)


def test_a_recipe_that_compiles_nothing():
    with pytest.raises(ValueError, match="given as `compile` left the network uncompiled"):
        NetworkTraining(SPACE, (8, 8, 1), 3, TrainingRecipe(compile=lambda model: None)).reported(TEST)
    with pytest.raises(TypeError, match=r"argument `recipe`. Expected an instance of `TrainingRecipe`"):
        NetworkTraining(SPACE, (8, 8, 1), 3, {"epochs": 3})


def convolutional():
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    initialize(model, 0)
    return TrainingRecipe().compile_network(model, 9)


class Hooks(keras.callbacks.Callback):
    """Notes every hook with its position and the names of its logs; stops the training where told."""

    def __init__(self, stop=None):
        super().__init__()
        self.seen, self.stop = [], stop
        for name in ("train_begin", "train_end", "test_begin", "test_end"):
            setattr(self, f"on_{name}", functools.partial(self.note, name, None))
        for name in ("epoch_begin", "epoch_end", "train_batch_begin", "train_batch_end"):
            setattr(self, f"on_{name}", functools.partial(self.note, name))

    def note(self, name, position, logs=None):
        self.seen.append((name, position, {key: pytest.approx(value, rel=1e-4) for key, value in (logs or {}).items()}))
        if (name, position) == self.stop:
            self.model.stop_training = True


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "stop", [("train_batch_end", 1), *(pytest.param(one, marks=pytest.mark.slow) for one in (None, ("epoch_end", 1)))]
)
@pytest.mark.parametrize(
    ("validation", "replicas"),
    [(None, 1), *(pytest.param(TEST, replicas, marks=pytest.mark.slow) for replicas in (1, 2))],
)
def test_the_loop_calls_what_keras_fit_calls_with_the_same_logs(stop, validation, replicas, monkeypatch):
    """Under a distribution strategy it is Keras' `fit` itself."""
    monkeypatch.setattr(training_loop, "replicas_of", lambda model: replicas)
    fits, fit = [], keras.Model.fit
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **options: [fits.append(1), fit(*args, **options)][1])
    ours, theirs, batches = Hooks(stop), Hooks(stop), ArrayBatches(*DATA, 8, augment=shift)
    training_loop.fit(convolutional(), batches, 3, 1, validation, [ours])
    assert len(fits) == (replicas > 1)
    follow = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.set_epoch(epoch))
    options = {"epochs": 3, "initial_epoch": 1, "shuffle": False, "verbose": 0, "validation_batch_size": 250}
    convolutional().fit(batches, validation_data=validation, callbacks=[follow, theirs], **options)
    assert [(name, position) for name, position, _ in ours.seen] == [(name, at) for name, at, _ in theirs.seen]
    for (name, position, logs), (*_, expected) in zip(ours.seen, theirs.seen, strict=True):
        assert {key: value.expected for key, value in logs.items()} == expected, (name, position)


@pytest.mark.slow
def test_a_prepared_network_is_traced_once():
    traced = {}
    for prepared in (True, False):
        model, batches = convolutional(), ArrayBatches(*DATA, 8)
        step, traces = model.train_step, []
        model.train_step = lambda data, step=step, traces=traces: [traces.append(1), step(data)][1]
        if prepared:
            training_loop.prepare(model, batches)
        training_loop.fit(model, batches, 1)
        traced[prepared] = len(traces)
    assert traced == {True: 1, False: 2}


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_a_network_trains_on_the_fused_kernel_and_is_kept_as_standard_layers(tmp_path):
    """The callbacks' network is the standard one too: what they save needs no layer of ours."""
    space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["sep_conv_3x3"])
    models, fused = [], []

    def note(logs):
        models.append(keep.model)
        fused.extend("call" in vars(layer) for layer in keep.model.layers if "batch_norm" in layer.name)

    keep = keras.callbacks.LambdaCallback(on_train_begin=note)
    NetworkTraining(space, (8, 8, 1), 3, TrainingRecipe(1, 8)).run(
        Stages(tmp_path),
        "one",
        space.sample(np.random.default_rng(0)),
        DATA,
        TEST,
        callbacks=lambda: [keep],
        keep_model=partial(write_model, tmp_path),
    )
    assert fused and all(fused)
    (model,), saved = models, keras.models.load_model(tmp_path / "model.keras")
    for network in (model, saved):
        norms = [layer for layer in network.layers if "batch_norm" in layer.name]
        assert {type(layer) for layer in norms} == {keras.layers.BatchNormalization}
        assert all("call" not in vars(layer) for layer in norms)
    np.testing.assert_allclose(model(TEST[0]), saved(TEST[0]), atol=1e-6)
