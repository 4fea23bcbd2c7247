"""The warm-up of the alphas: while they are frozen, nothing of their level changes, and afterwards all is as if new."""

import keras
import numpy as np
import pytest

from kerasnas.callbacks.schedules import ArchitectureWarmup
from tests.trainers.kit import same_state

BATCH = 16  # one step an epoch


@pytest.fixture
def make(make_search):
    """A factory of searches whose network weights stand still, so that every step has the same gradient."""

    def made(warmup, hypergradient="first_order", **compile):
        return make_search(
            seed=1,
            hypergradient=hypergradient,
            weight_decay=0.0,
            architecture_weight_decay=0.0,
            architecture_warmup_epochs=warmup,
            compile={
                "optimizer": keras.optimizers.SGD(0.0),
                "architecture_optimizer": keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.999),
                "run_eagerly": False,
                **compile,
            },
        )

    return made


class Course(keras.callbacks.Callback):
    """The alphas at the start and after each epoch, and the state of their optimizer."""

    def __init__(self):
        super().__init__()
        self.alphas, self.states = [], []

    def record(self, *_):
        self.alphas.append([np.array(variable) for variable in self.model.architecture_parameters])
        self.states.append([np.array(variable) for variable in self.model.optimizer.inner[1].variables])

    def on_train_begin(self, logs=None):
        self.record()

    def on_epoch_end(self, epoch, logs=None):
        self.record()

    def step(self, epoch):
        """The distances that `epoch` moved the alphas."""
        pairs = zip(self.alphas[epoch + 1], self.alphas[epoch], strict=True)
        return np.concatenate([np.ravel(after - before) for after, before in pairs])


def fit(search, data, epochs, *callbacks, **options):
    course = Course()
    search.fit(*data, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[course, *callbacks], **options)
    return course


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}, {"steps_per_execution": 2}], ids=str)
@pytest.mark.parametrize("hypergradient", ["first_order", pytest.param("unrolled", marks=pytest.mark.slow)])
def test_first_step_after_the_warm_up_is_that_without_one(make, data, hypergradient, options):
    """Adam's first step has the length of its rate. Fed zeros in the warm-up, it would here be 1.24 times as long."""
    steps = []
    for warmup in (0, 5):
        course = fit(make(warmup, hypergradient, **options), data, warmup + 1)
        for epoch in range(warmup):
            assert not course.step(epoch).any()
            for before, after in zip(course.states[0], course.states[epoch + 1], strict=True):
                np.testing.assert_array_equal(before, after)
        assert int(course.states[warmup][0]) == 0 and int(course.states[warmup + 1][0]) == 1  # the iterations
        steps.append(np.abs(course.step(warmup)))
    np.testing.assert_allclose(steps[1], steps[0], rtol=1e-3)
    assert steps[0].max() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda: keras.optimizers.RMSprop(0.01, momentum=0.9),
        pytest.param(lambda: keras.optimizers.Nadam(0.01), marks=pytest.mark.slow),
        pytest.param(lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True), marks=pytest.mark.slow),
        pytest.param(lambda: keras.optimizers.Adam(0.01, ema_momentum=0.9, use_ema=True), marks=pytest.mark.slow),
        pytest.param(lambda: keras.optimizers.SGD(0.01, gradient_accumulation_steps=2), marks=pytest.mark.slow),
        pytest.param(lambda: keras.optimizers.AdamW(0.01, weight_decay=0.5), marks=pytest.mark.slow),
    ],
    ids=["rmsprop", "nadam", "nesterov", "average", "accumulation", "decay"],
)
def test_every_optimizer_with_a_state_stands_still(make, data, make_optimizer):
    """After the warm-up the alphas move as they do without one."""
    courses = []
    for warmup in (0, 1):
        search = make(warmup, architecture_optimizer=make_optimizer(), run_eagerly=True)
        courses.append(fit(search, data, warmup + 2))
    for before, after in zip(*courses[1].states[:2], strict=True):
        np.testing.assert_array_equal(before, after)
    for epoch in (0, 1):
        np.testing.assert_allclose(courses[1].step(epoch + 1), courses[0].step(epoch), rtol=1e-2, atol=1e-6)


@pytest.mark.slow
def test_callback_takes_the_place_of_the_trainers_warm_up(make, data):
    course = fit(make(0, run_eagerly=True), data, 3, ArchitectureWarmup(2))
    assert [bool(course.step(epoch).any()) for epoch in range(3)] == [False, False, True]
    course = fit(make(2, run_eagerly=True), data, 2, ArchitectureWarmup(0))
    assert course.step(0).any() and course.step(1).any()


@pytest.mark.slow
def test_alphas_can_be_frozen_in_the_midst(make, data):
    search = make(0, run_eagerly=True)
    freeze = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: search.activate_architecture(epoch != 1) if epoch else None
    )
    course = fit(search, data, 3, freeze)
    assert [bool(course.step(epoch).any()) for epoch in range(3)] == [True, False, True]


@pytest.mark.slow
def test_phase_is_saved_and_restored(make, data, tmp_path):
    search = make(3)
    fit(search, data, 1)
    assert search.architecture_warmup.frozen
    search.save(tmp_path / "search.keras")
    loaded = keras.models.load_model(tmp_path / "search.keras")
    assert loaded.architecture_warmup.frozen and loaded.architecture_warmup.epochs == 3
    courses = [fit(one, data, 4, initial_epoch=1) for one in (search, loaded)]
    assert same_state(search, loaded)
    assert not courses[1].step(1).any() and courses[1].step(2).any()
