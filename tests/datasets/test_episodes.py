"""Episodes and sinusoids: what they consist of, their randomness, splits of classes, bad input."""

import time

import numpy as np
import pytest
import tensorflow as tf

from kerasnas.datasets import EpisodeSampler, TaskFamily, split_classes
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.datasets.sinusoids import SinusoidTasks
from kerasnas.datasets.tasks import Episode, check_episode

LABELS = np.array([7, 3, 11, 5, 2, 13])
FOUR = (0, 90, 180, 270)
slices = tf.data.Dataset.from_tensor_slices


@pytest.fixture
def pool():
    """Twelve samples of each class, shuffled; a sample is (its label, its number)."""
    order = np.random.default_rng(0).permutation(72)
    y = np.repeat(LABELS, 12)[order]
    return np.stack([y, order], axis=1).astype(np.float32), y


@pytest.fixture
def images():
    """Five uint8 images of each of three classes, no two pixels of an image alike."""
    rng = np.random.default_rng(1)
    x = np.stack([rng.permutation(256)[:36] for _ in range(15)]).astype(np.uint8).reshape(15, 6, 6, 1)
    return x, np.repeat([4, 8, 9], 5)


def flat(episode):
    return [*episode.support, *episode.query]


# What an episode is --------------------------------------------------------------------------------
@pytest.mark.parametrize(("ways", "shots", "query_shots"), [(5, 1, 11), (6, 3, 2), (2, 1, 1), (3, 12, 0)])
def test_an_episode_is_of_different_classes_and_samples(pool, ways, shots, query_shots):
    sampler = EpisodeSampler(*pool, ways=ways, shots=shots, query_shots=query_shots)
    assert (sampler.input_shape, sampler.num_classes, sampler.pool[1]) == ((2,), ways, (3, 0))
    for index in range(20):
        episode = sampler.episode(index)
        seen = []
        for (x, y), each in ((episode.support, shots), (episode.query, query_shots)):
            assert (x.dtype, x.shape, y.dtype) == (np.float32, (ways * each, 2), np.int32)
            assert np.bincount(y, minlength=ways).tolist() == [each] * ways
            labels = [sampler.pool[episode.classes[label]][0] for label in y]
            np.testing.assert_array_equal(x[:, 0], labels)
            seen += x[:, 1].tolist()
        assert len(set(seen)) == len(seen) and len(set(episode.classes)) == ways
        check_episode(episode)


def test_an_episode_depends_on_seed_and_index_alone(pool):
    one, other = (EpisodeSampler(*pool, query_shots=9, seed=4) for _ in range(2))
    ahead = [one.episode(index) for index in range(5)]
    for index in reversed(range(5)):  # in any order
        for left, right in zip(flat(ahead[index]), flat(other.episode(index)), strict=True):
            np.testing.assert_array_equal(left, right)
    for changed in (one.episode(5), EpisodeSampler(*pool, query_shots=9, seed=5).episode(0)):
        assert (changed.query[0] != ahead[0].query[0]).any()


def test_a_batch_is_its_episodes(pool):
    sampler = EpisodeSampler(*pool, ways=3, shots=2, query_shots=4)
    batch, episodes = sampler.batch(2, tasks=3), [sampler.episode(index) for index in (6, 7, 8)]
    assert batch.support[0].shape == (3, 6, 2) and batch.query[1].shape == (3, 12)
    assert batch.classes == episodes[0].classes + episodes[1].classes + episodes[2].classes
    for task, episode in enumerate(episodes):
        for array, expected in zip(flat(batch), flat(episode), strict=True):
            np.testing.assert_array_equal(array[task], expected)


def test_classes_labels_samples_and_order_are_drawn_uniformly(pool):
    sampler = EpisodeSampler(*pool, ways=3, shots=2, query_shots=4)
    episodes = [sampler.episode(index) for index in range(3000)]
    by_label = np.zeros((3, 6))
    for episode in episodes:
        by_label[range(3), episode.classes] += 1
    np.testing.assert_allclose(by_label / 3000, 1 / 6, atol=0.03)  # a standard deviation is 0.007
    for part, each in (("support", 6), ("query", 12)):
        numbers = np.concatenate([getattr(episode, part)[0][:, 1] for episode in episodes]).astype(int)
        np.testing.assert_allclose(np.bincount(numbers, minlength=72) / len(numbers), 1 / 72, rtol=0.2)
        labels = np.stack([getattr(episode, part)[1] for episode in episodes])
        assert labels.shape == (3000, each)
        np.testing.assert_allclose(labels.mean(axis=0), 1, atol=0.08)  # at every place; its deviation is 0.015


def test_without_queries_the_support_is_all(pool):
    episode = EpisodeSampler(*pool, ways=4, shots=12, query_shots=0).batch(0, tasks=2)
    assert episode.support[0].shape == (2, 48, 2)
    assert episode.query[0].shape == (2, 0, 2) and episode.query[1].shape == (2, 0)
    assert episode.query[1].dtype == np.int32


def test_classes_to_draw_from(pool):
    sampler = EpisodeSampler(*pool, ways=3, classes=np.array([13, 2, 5]), query_shots=1)
    assert sampler.classes == (2, 5, 13)
    assert {label for index in range(9) for label in sampler.episode(index).support[0][:, 0]} == {2.0, 5.0, 13.0}


def test_bytes_are_scaled_and_floats_are_not(images):
    x, y = images
    kept = x.copy()
    sampler = EpisodeSampler(x, y, ways=3, shots=2, query_shots=3, rotations=FOUR)
    for index in range(5):
        sampler.episode(index)
    np.testing.assert_array_equal(x, kept)  # rotations write into copies
    by_bytes = flat(EpisodeSampler(x, y, ways=3, query_shots=2).episode(0))
    by_floats = flat(EpisodeSampler(x.astype(np.float64), y, ways=3, query_shots=2).episode(0))
    assert by_bytes[0].dtype == by_floats[0].dtype == np.float32
    np.testing.assert_array_equal(by_bytes[0], by_floats[0] / np.float32(255))
    np.testing.assert_array_equal(by_bytes[3], by_floats[3])
    labeled = EpisodeSampler(x, y[:, None], ways=3, query_shots=2)  # labels as in keras.datasets
    np.testing.assert_array_equal(flat(labeled.episode(0))[0], by_bytes[0])


# Rotations -----------------------------------------------------------------------------------------
def test_a_rotation_of_a_class_is_a_class(images):
    x, y = images
    sampler = EpisodeSampler(x, y, ways=5, shots=2, query_shots=3, rotations=FOUR)
    assert len(sampler.pool) == 12 and sampler.pool[5:8] == ((8, 90), (8, 180), (8, 270))
    drawn = set()
    for index in range(12):
        episode = sampler.episode(index)
        for found, label in zip(*episode.query, strict=True):
            number, degrees = sampler.pool[episode.classes[label]]
            turned = [np.rot90(image, degrees // 90) / np.float32(255) for image in x[y == number]]
            assert sum(np.array_equal(found, image) for image in turned) == 1
        drawn |= set(episode.classes)
    assert drawn == set(range(12))


def test_one_class_can_be_four_ways(images):
    sampler = EpisodeSampler(*images, ways=4, query_shots=0, rotations=FOUR, classes=[9])
    assert sorted(sampler.episode(3).classes) == [0, 1, 2, 3]


def test_half_turns_need_no_square(images):
    x, y = images
    sampler = EpisodeSampler(x[:, :4], y, ways=6, query_shots=0, rotations=(0, 180))
    episode = sampler.episode(0)
    upside = sampler.pool.index((4, 180))
    found = episode.support[0][episode.support[1] == episode.classes.index(upside)][0]
    assert any(np.array_equal(found, image[3::-1, ::-1] / np.float32(255)) for image in x[:5])


# Datasets ------------------------------------------------------------------------------------------
def test_datasets_are_read_as_arrays_are(images):
    x, y = images
    whole = slices((x, y))
    expected = flat(EpisodeSampler(x, y, ways=3, query_shots=2).episode(1))
    sources = {
        "single": whole,
        "batched": whole.batch(4),
        "columns": slices((x, y[:, None])).batch(4),
        "pairs": list(zip(x, y, strict=True)),
        "generator": ((x[start : start + 7], y[start : start + 7]) for start in range(0, 15, 7)),
    }
    for name, source in sources.items():
        found = flat(EpisodeSampler(source, ways=3, query_shots=2).episode(1))
        for left, right in zip(found, expected, strict=True):
            np.testing.assert_array_equal(left, right, err_msg=name)
    batches = ArrayBatches(x, y, batch_size=4, drop_remainder=False)  # in another order
    sampler = EpisodeSampler(batches, ways=3, query_shots=4)
    assert sampler.classes == (4, 8, 9) and len(sampler.episode(0).query[1]) == 12


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x, y: (x,), "`y`. Expected the labels of `x`.*Received: None, with `x` of type ndarray"),
        (lambda x, y: (3,), "Received: None, with `x` of type int"),
        (lambda x, y: (slices((x, y)).repeat(),), r"`x`. Expected a finite dataset.*take\(n\)"),
        (lambda x, y: (slices(x),), r"pairs \(x, y\). Received: an element of type ndarray"),
        (lambda x, y: ([(x, y, y)],), "an element of type tuple of 3"),
        (lambda x, y: ([],), r"`x`. Expected a dataset of pairs \(x, y\), not empty"),
        (lambda x, y: ([(x, y[1:])],), r"inputs of shape \(15, 6, 6, 1\) with labels of shape \(14,\)"),
        (
            lambda x, y: ([(x, y), (x[:, 1:], y)],),
            r"\(15, 5, 6, 1\) with labels .* after inputs of shape \(15, 6, 6, 1\)",
        ),
        (lambda x, y: (x, y[:6]), "`y`.*15 inputs and 6 labels"),
        (lambda x, y: (x, y / 1), "`y`.*float64"),
        (lambda x, y: (x, np.eye(10, dtype=int)[y]), r"`y`.*shape \(15, 10\). One-hot labels become class numbers"),
        (lambda x, y: (x[:, 0, 0, 0], y), r"`x`.*shape \(15,\)"),
        (lambda x, y: (np.full((15, 2), "a"), y), "`x`.*dtype <U1"),
        (lambda x, y: (np.full((15, 2), np.nan), y), "`x`. Expected finite values"),
        (lambda x, y: (np.full((15, 2), 256), y), "`x`.*integers from 256 to 256"),
    ],
)
def test_other_data_are_refused(images, make, message):
    with pytest.raises(ValueError, match=message):
        EpisodeSampler(*make(*images), ways=2, query_shots=1)


# Splits of the classes -----------------------------------------------------------------------------
def test_splits_share_no_class(pool):
    _, y = pool
    first, second = split_classes(y, (2, 3), seed=1)
    assert (len(first), len(second)) == (2, 3) and not set(first) & set(second)
    assert first.tolist() == sorted(first) and set(first) | set(second) < set(LABELS)
    thirds = split_classes(np.arange(100), (1 / 3, 1 / 3, 1 / 3))
    assert [len(part) for part in thirds] == [33, 34, 33] and len(set(np.concatenate(thirds))) == 100
    assert [len(part) for part in split_classes(np.arange(10), (0.1,) * 10)] == [1] * 10
    np.testing.assert_array_equal(split_classes(y, (2, 3), seed=1)[0], first)
    assert any((split_classes(np.arange(100), (50,), seed=seed)[0] != np.arange(50)).any() for seed in (0, 1))


@pytest.mark.parametrize(
    ("y", "sizes", "name"),
    [*((LABELS, sizes, "sizes") for sizes in ((4, 3), (0.9, 0.9), (6, 0), (), ("a",))), (LABELS / 2, (2,), "y")],
)
def test_impossible_splits_are_refused(y, sizes, name):
    with pytest.raises(ValueError, match=f"`{name}`"):
        split_classes(y, sizes)


# Bad input -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ways": 7}, "`ways`.*the number of classes, 6"),
        ({"ways": 4, "classes": [2, 3]}, "the number of classes, 2"),
        ({"shots": 5, "query_shots": 8}, "of at most 12, the number of samples of class 2. Received: 5 [+] 8"),
        ({"classes": [2, 3, 4, 99]}, r"`classes`.*6 from 2 to 13. Received: \[4, 99\]"),
        ({"classes": [2, 3, 3]}, "every label once. Received: 3 labels, 2 of them different"),
        ({"rotations": (0, 45)}, "`rotations`.*multiples of 90 degrees"),
        ({"rotations": (0, 360)}, "every rotation once"),
        ({"rotations": (0, 90)}, r"`rotations`.*only images .* for samples of shape \(2,\)"),
        *(({name: value}, f"`{name}`") for name, value in [("ways", 1), ("shots", 0), ("query_shots", -1)]),
        *(({name: value}, f"`{name}`") for name, value in [("classes", ["a"]), ("rotations", ()), ("seed", -1)]),
    ],
)
def test_wrong_arguments_are_refused(pool, arguments, message):
    with pytest.raises(ValueError, match=message):
        EpisodeSampler(*pool, **{"ways": 2, "query_shots": 1, **arguments})


def test_the_smallest_class_is_the_one_that_is_named(pool):
    x, y = pool
    keep = np.flatnonzero((y != 11) | (np.cumsum(y == 11) <= 9))
    with pytest.raises(ValueError, match=r"of at most 9, the number of samples of class 11. Received: 1 [+] 9"):
        EpisodeSampler(x[keep], y[keep], query_shots=9)
    EpisodeSampler(x[keep], y[keep], query_shots=9, classes=[2, 3, 5, 7, 13])


def test_images_that_are_not_square_cannot_be_turned_by_a_quarter(images):
    with pytest.raises(ValueError, match=r"0 or 180 degrees, since the images are not square.*shape \(6, 5, 1\)"):
        EpisodeSampler(images[0][:, :, :5], images[1], ways=2, query_shots=1, rotations=FOUR)


@pytest.mark.parametrize("family", [SinusoidTasks(), EpisodeSampler(np.zeros((4, 1)), [0, 0, 1, 1], 2, 1, 1)])
def test_wrong_indices_are_refused(family):
    for call, name in (
        (lambda: family.episode(-1), "index"),
        (lambda: family.batch(-1, tasks=2), "index"),
        (lambda: family.batch(0, tasks=0), "tasks"),
    ):
        with pytest.raises(ValueError, match=f"`{name}`"):
            call()


def test_episodes_by_hand_are_checked():
    x, y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])
    check_episode(Episode((x[:2], y[:2]), (x[2:], y[2:])))
    check_episode(Episode((x, y), (x[:0], y[:0])))
    check_episode(Episode((x[:2].tolist(), y[:2]), (x[2:], y[2:])))
    for support, query, message in (
        ((x[:2], y[:2]), (x[1:], y[1:]), "not in the support.*query sample 0 is also support sample 1"),
        ((x[:2], y[:2]), (x[1:].astype("float32"), y[1:]), "query sample 0 is also support sample 1"),
        ((x[:2], y), (x[2:], y[2:]), r"targets as inputs in its support. Received: inputs of shape \(2, 2\)"),
        ((x[:2], y[:2]), (x[2:], y), "as inputs in its query"),
        ((x[:0], y[:0]), (x, y), "at least one sample in its support"),
        ((x[:2], y[:2]), (x[2:, :1], y[2:]), r"support samples of shape \(2,\), query samples of shape \(1,\)"),
    ):
        with pytest.raises(ValueError, match=f"`episode`. Expected .*{message}"):
            check_episode(Episode(support, query))


# Speed ---------------------------------------------------------------------------------------------
def test_sixteen_rotated_episodes_take_milliseconds():
    x, y = np.zeros((1028 * 20, 28, 28, 1), np.uint8), np.repeat(np.arange(1028), 20)
    sampler = EpisodeSampler(x, y, rotations=FOUR)
    assert len(sampler.pool) == 4112
    seconds = []
    for index in range(40):
        start = time.perf_counter()
        sampler.batch(index, tasks=16)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.02  # about 0.005; a busy machine is let pass


# Families ------------------------------------------------------------------------------------------
def test_a_family_needs_to_say_how_to_draw():
    with pytest.raises(TypeError, match="abstract"):
        TaskFamily()


def test_sinusoids_are_sinusoids():
    tasks, amplitudes, phases = SinusoidTasks(shots=6, query_shots=9), [], []
    for index in range(400):
        episode = tasks.episode(index)
        x, y = (np.concatenate(parts) for parts in zip(episode.support, episode.query, strict=True))
        assert x.shape == y.shape == (15, 1) and x.dtype == y.dtype == np.float32
        assert abs(x).max() <= 5 and episode.classes == ()
        # a sin(x - p) = a cos(p) sin(x) - a sin(p) cos(x)
        (sine, cosine), *_ = np.linalg.lstsq(np.hstack([np.sin(x), np.cos(x)]), y[:, 0])
        np.testing.assert_allclose(sine * np.sin(x) + cosine * np.cos(x), y, atol=1e-4)
        amplitudes.append(np.hypot(sine, cosine))
        phases.append(np.arctan2(-cosine, sine))
    assert 0.1 <= min(amplitudes) < 0.3 and 4.8 < max(amplitudes) <= 5.0001
    assert -1e-3 <= min(phases) < 0.1 and np.pi - 0.1 < max(phases) <= np.pi + 1e-3
    assert np.mean(amplitudes) == pytest.approx(2.55, abs=0.3) and np.mean(phases) == pytest.approx(np.pi / 2, abs=0.2)


def test_sinusoids_are_stacked_by_number():
    tasks = SinusoidTasks(shots=3, query_shots=0, seed=3)
    batch = tasks.batch(1, tasks=7)
    assert batch.support[0].shape == (7, 3, 1) and batch.query[1].shape == (7, 0, 1)
    np.testing.assert_array_equal(batch.support[0][2], tasks.episode(9).support[0])
