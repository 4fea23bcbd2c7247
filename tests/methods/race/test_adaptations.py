"""Pretrained networks that a race is asked for: what it holds, and what is an error before it."""

import numpy as np
import pytest

from kerasnas.cost.counting import macs
from kerasnas.datasets import Dataset
from kerasnas.starts.base import StartError
from tests.methods.race.test_making import made
from tests.starts.kit import TinyStart, tiny_start

IMAGES, LABELS = np.random.default_rng(0).random((400, 12, 12, 1)).astype("float32"), np.arange(400) % 2


def race(folder, few=60, **settings):
    data = Dataset("images", IMAGES[:few], LABELS[:few], IMAGES[:9], LABELS[:9], ("a", "b"))
    return made(data, folder, **settings)


@pytest.fixture(autouse=True)
def registered():
    with tiny_start():
        yield


def test_a_race_in_the_space_of_adaptations_holds_the_starts_that_were_asked_for(tmp_path):
    TinyStart().build(32).save(tmp_path / "mine.keras")
    found = race(tmp_path / "run", space="adaptation", starts=str(tmp_path / "mine.keras")).candidates(4)
    assert found and all("mine_" in str(one.genotype) for one in found)


@pytest.mark.parametrize("settings", [{}, {"max_parameters": 300}])
def test_a_pretrained_network_above_the_limits_takes_no_part(settings, tmp_path):
    assert (race(tmp_path / "run", starts="tiny", **settings).prober is None) == bool(settings)


@pytest.mark.parametrize(
    ("samples", "settings", "held_out"),
    [(60, {}, 30), (100, {}, 40), (400, {}, 80), (60, {"validation_split": 0.1}, 6)],
)
def test_of_few_samples_more_are_held_out_unless_the_user_says(samples, settings, held_out, tmp_path):
    found = race(tmp_path / "run", few=samples, initializer="none", **settings)
    assert len(found.held_out[0]) == held_out and len(found.data[0]) == samples - held_out


def test_a_start_that_cannot_be_read_is_an_error_before_the_race(tmp_path):
    (tmp_path / "damaged.keras").write_bytes(b"no network")
    with pytest.raises(StartError, match=r"damaged\.keras"):
        race(tmp_path / "run", starts=str(tmp_path / "damaged.keras"))


def test_limits_leave_the_sizes_of_images_that_are_within(tmp_path):
    free = race(tmp_path / "free", starts="tiny").prober
    assert free.space.sizes_of_images == (64, 96)
    for size, left in ((64, (64,)), (96, (64, 96))):
        most = macs(free.network("tiny", size))
        found = race(tmp_path / str(size), starts="tiny", max_macs=most).prober
        assert found.space.sizes_of_images == left
