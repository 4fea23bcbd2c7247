"""Every registered modality keeps its contract, and a broken one is caught."""

import numpy as np
import pytest

from kerasnas import datasets, testing
from kerasnas.methods import TrainingConfig
from kerasnas.methods.final_training import make_augmentation
from kerasnas.modalities import MODALITIES
from kerasnas.modalities.images import Images
from kerasnas.modalities.lookup import modality, of_inputs, of_record
from kerasnas.modalities.signals import Signals
from kerasnas.modalities.tables import Tables

Y = np.arange(12) % 2
RNG = np.random.default_rng(0)
WORDS = np.array(["a good film", "a dull film"] * 6)
SAMPLES = {
    "images": RNG.random((12, 8, 8, 3)),
    "signals": np.where(np.arange(20)[:, None] < 17, RNG.random((12, 20, 2)), np.nan),
    "recordings": RNG.standard_normal((12, 400)),
    "texts": WORDS,
    "tables": np.array([*([str(row), "", f"{row / 7:.3f}", "red"] for row in range(11)), ["", "", "1", "blue"]]),
}


def arrays(name):
    x, rate = SAMPLES[name], {"rate": np.array(800)} if name == "recordings" else {}
    return {"x_train": x, "y_train": Y, "x_test": x[:4], "y_test": Y[:4], **rate}


@pytest.mark.parametrize("name", sorted(MODALITIES))
def test_modality(name):
    testing.check_modality(name, arrays(name) if name in SAMPLES else None)


class Unaugmented(Images):
    augmentations = ("blur",)


class Elsewhere(Images):
    race_space = "signals"


class Unread(Images):
    axes = ("height",)


class Uneven(Images):
    sizes = ("pixels",)


class Unchecked(Images):
    def read(self, arrays, task, limits):
        count = min(len(arrays["x_train"]), len(arrays["y_train"])) or 1
        few = {**arrays, "x_train": arrays["x_train"][:count], "y_train": arrays["y_train"][:count]}
        return super().read(few, task, limits) if count > 1 else super().read(arrays | FEW, task, limits)


class Halved(Tables):
    def read(self, arrays, task, limits):
        found = super().read(arrays, task, limits)
        return found | {"x_train": found["x_train"] / 2, "x_test": found["x_test"] / 2}


class Renamed(Tables):
    def blank(self, shape):
        return np.zeros((1, 2))


FEW = {"x_train": SAMPLES["images"], "y_train": Y}
BROKEN = {
    Unaugmented: "no augmentation 'blur'",
    Elsewhere: "`race_space` 'signals' take other inputs",
    Unread: "`read` refuses the samples",
    Uneven: r"`measured` returns .* for the sizes \('pixels',\)",
    Unchecked: "`read` accepts",
    Halved: "the front makes other inputs",
    Renamed: "statistics of `blank` have other names",
}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_modality_is_told_which_promise_it_breaks(kind, monkeypatch):
    name = kind.name
    monkeypatch.setitem(MODALITIES._factories, name, kind)
    with pytest.raises(AssertionError, match=BROKEN[kind]):
        testing.check_modality(kind(), arrays(name))


def test_unknown_names_get_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'tables'"):
        modality("table")
    with pytest.raises(ValueError, match="Did you mean 'signal'"):
        of_inputs("signals")


class Spectra(Signals):
    """All that a modality of one's own needs where a built-in one is near."""

    name, singular, plural = "spectra", "spectrum", "spectra"
    augmentations = ()
    companion_setting = ""


def test_a_modality_of_ones_own_is_one_class(tmp_path):
    MODALITIES.register("spectra", Spectra)
    try:
        testing.check_modality("spectra", arrays("signals"))
        np.savez(tmp_path / "lines.npz", **arrays("signals"), kind="spectra")
        data = datasets.load(tmp_path / "lines.npz")
        assert data.modality == Spectra() and data.input_shape == (20, 2)
        with pytest.raises(ValueError, match="nothing, for the spectra of lines"):
            make_augmentation(TrainingConfig(space="signals", augment=("rotate",)), data)
    finally:
        MODALITIES.unregister("spectra")


def test_a_record_without_a_modality_is_one_of_images():
    assert of_record({"input_shape": [28, 28, 1]}).name == "images"
    with pytest.raises(ValueError, match="Did you mean 'images'"):
        of_record({"modality": "imagez"})
