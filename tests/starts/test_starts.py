"""Starts: their contract, EfficientNet-Lite0 from a file of the published format, files of users."""

import keras
import numpy as np
import pytest

from kerasnas import testing
from kerasnas.export.classifier import with_preprocessing
from kerasnas.networks.ensemble import mean
from kerasnas.networks.views import over_views
from kerasnas.starts import available_starts
from kerasnas.starts.base import StartError, stage_of, start
from kerasnas.starts.efficientnet_lite import EfficientNetLite0, _tensors_of, load_weights, network
from kerasnas.starts.saved import SavedStart, register_saved
from tests.starts.kit import TinyStart, write_tensors


def test_the_contract_holds_for_a_start_and_names_what_breaks_it():
    testing.check_start(TinyStart(), size=32)

    class Thawed(TinyStart):
        def build(self, size):
            model = super().build(size)
            model.trainable = True
            return model

    with pytest.raises(AssertionError, match="frozen"):
        testing.check_start(Thawed(), size=32)

    class Wrong(TinyStart):
        readouts = ("relu7",)

    with pytest.raises(AssertionError, match="relu7"):
        testing.check_start(Wrong(), size=32)


def test_the_contract_holds_for_starts_that_are_here():
    for name in available_starts():
        testing.check_start(start(name))


def tensors_of(model):
    """The tensors of a network as the published file has them, with drawn numbers."""
    rng = np.random.default_rng(0)
    found = {"_fc.weight": np.zeros((2, 2), np.float32), "_fc.bias": np.zeros(2, np.float32)}
    for layer in model.layers:
        for name, weight in zip(_tensors_of(layer), layer.weights, strict=True):
            shape = tuple(weight.shape)
            if len(shape) == 4:
                shape = (*shape[2:], *shape[:2]) if "depthwise" in name else (*shape[3:1:-1], *shape[:2])
            found[name] = rng.random(shape, np.float32)
    return found


def test_efficientnet_lite0_has_the_published_count_and_takes_a_file_of_the_published_names(tmp_path):
    model = network(32)
    statistics = sum(np.prod(w.shape) for w in model.weights if "moving" in w.name)
    assert model.count_params() - statistics + 1280 * 1000 + 1000 == 4_652_008
    tensors = tensors_of(model)
    assert {
        "_conv_stem.weight",
        "_bn0.running_mean",
        "_blocks.0._depthwise_conv.weight",
        "_blocks.15._bn2.bias",
    } <= set(tensors)
    write_tensors(tmp_path / "weights.pth", tensors)
    load_weights(model, tmp_path / "weights.pth")
    kernel = tensors["_blocks.1._expand_conv.weight"]
    np.testing.assert_array_equal(model.get_layer("block1_expand").kernel, kernel.transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(model.get_layer("stem_bn").moving_variance, tensors["_bn0.running_var"])
    for wrong, words in (("_bn0.weight", "lacks _bn0.weight"), (None, "nothing here takes extra")):
        changed = {name: array for name, array in tensors.items() if name != wrong}
        write_tensors(tmp_path / "wrong.pth", changed if wrong else {**changed, "extra": np.zeros(1, np.float32)})
        with pytest.raises(StartError, match=words):
            load_weights(model, tmp_path / "wrong.pth")


def test_a_missing_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("kerasnas.starts.efficientnet_lite._PACKAGE", "no-such-package")
    assert not EfficientNetLite0().available()
    with pytest.raises(StartError, match=r"kerasnas\[photos\]"):
        EfficientNetLite0().build(32)


def test_an_application_that_cannot_be_downloaded_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    found = start("mobilenet_v3_small")
    assert not found.available()

    def fails(**arguments):
        raise OSError("no route to host")

    monkeypatch.setattr(keras.applications, "MobileNetV3Small", fails)
    with pytest.raises(StartError, match="no route to host"):
        found.build(32)


@pytest.fixture
def saved(tmp_path):
    model = TinyStart().build(32)
    outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(model.output))
    model = keras.Model(model.inputs, outputs)
    model.save(tmp_path / "my net.keras")
    return model, tmp_path / "my net.keras"


def test_a_network_of_the_users_is_a_start_of_any_size(saved):
    model, path = saved
    name = register_saved(path)
    assert name == "my_net" and register_saved(path) == name
    testing.check_start(start(name), size=64)
    x = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    expected = keras.Model(model.inputs, model.layers[-3].output)(x)
    np.testing.assert_allclose(start(name).build(32)(x), expected, rtol=1e-6)


def test_of_a_finished_run_the_first_network_is_a_start(saved, tmp_path):
    model, _ = saved
    other = keras.models.clone_model(model)
    run = with_preprocessing(over_views(mean([model, other]), ("flip", "shift")), scale=255)
    run.save(tmp_path / "run.keras")
    x = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype("float32")
    view = np.pad(x / 255, ((0, 0), (1, 0), (1, 0), (0, 0)))[:, :64, :64]  # the first
    expected = TinyStart().build(64)(view)
    np.testing.assert_allclose(SavedStart(tmp_path / "run.keras").build(64)(x), expected, rtol=1e-5, atol=1e-6)


def test_files_that_are_no_start_are_refused(tmp_path, saved):
    with pytest.raises(FileNotFoundError, match=r"none\.keras"):
        register_saved(tmp_path / "none.keras")
    (tmp_path / "damaged.keras").write_bytes(b"no network")
    with pytest.raises(StartError, match=r"damaged\.keras"):
        SavedStart(tmp_path / "damaged.keras").build(32)
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "rows.keras")
    with pytest.raises(StartError, match="no map of features"):
        SavedStart(tmp_path / "rows.keras").build(32)


def test_unknown_starts_name_the_nearest():
    with pytest.raises(ValueError, match="efficientnet_lite0"):
        start("efficientnet_lite")


def test_stages_end_where_images_are_halved():
    model = TinyStart().build(64)
    assert [stage_of(model.get_layer(f"conv{number}"), 64) for number in range(5)] == [1, 2, 3, 4, 5]
