"""Presets of KerasHub as starts, by a package that stands in for it: what is read, refused, and left behind."""

import json
import sys
import types

import keras
import numpy as np
import pytest
from keras import layers

from kerasnas import testing
from kerasnas.starts import AdaptationSpace
from kerasnas.starts.base import StartError, start
from kerasnas.starts.kerashub import KerasHubStart
from kerasnas.starts.saved import register_saved
from tests.starts.kit import TinyStart


class Block(layers.Layer):
    """A composite layer, of which KerasHub alone has the class; another one may be a part of it."""

    def __init__(self, filters, inner=None, **kwargs):
        super().__init__(**kwargs)
        initializer = keras.initializers.HeNormal(seed=filters)
        self.conv = layers.Conv2D(filters, 3, 2, "same", kernel_initializer=initializer, name=f"{self.name}_conv")
        self.norm, self.inner = layers.BatchNormalization(name=f"{self.name}_norm"), inner

    def build(self, shape):
        self.conv.build(shape)
        self.norm.build(self.conv.compute_output_shape(shape))
        if self.inner is not None:
            self.inner.build(self.conv.compute_output_shape(shape))

    def call(self, x, training=None):
        x = keras.ops.relu(self.norm(self.conv(x), training=training))
        return x if self.inner is None else self.inner(x)


class Scale(layers.Layer):
    """A layer with a variable of its own."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, x):
        return x * self.scale


def composite(last=None):
    x = inputs = keras.Input((None, None, 3))
    for number, inner in enumerate((None, Block(5, Block(6)), Block(7))):
        x = Block(4 + number, inner)(x)
    model = keras.Model(inputs, x if last is None else last(x))
    model.set_weights([weight + 0.01 for weight in model.get_weights()])  # not what initializers would draw again
    return model


def rows():
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(2)(inputs))


class Converter:
    scale, offset = [1 / 51, 1 / 76.5, 1 / 102], [-0.5, -0.6, -0.7]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """KerasHub with the preset `net` in a folder; `made` holds its backbone and its converter, or errors."""
    made = {"backbone": composite(), "converter": Converter}

    def reads(what):
        def from_preset(preset):
            if isinstance(made[what], Exception):
                raise made[what]
            return made[what]

        return types.SimpleNamespace(from_preset=from_preset, presets={"resnet_18_imagenet": {}})

    package = types.ModuleType("keras_hub")
    package.models = types.SimpleNamespace(Backbone=reads("backbone"))
    package.layers = types.SimpleNamespace(ImageConverter=reads("converter"))
    monkeypatch.setitem(sys.modules, "keras_hub", package)
    monkeypatch.setattr("kerasnas.starts.kerashub.installed", lambda name: True)
    for name in ("KAGGLEHUB_CACHE", "HF_HUB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return made


def write_preset(folder, card=""):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.weights.h5").write_bytes(b"")
    if card:
        (folder / "README.md").write_text(card)
    return folder


@pytest.fixture
def preset(tmp_path):
    return write_preset(tmp_path / "My net", "---\ntags: [a]\nlicense: mit\n---\n# My net\nlicense: other\n")


@pytest.mark.slow
def test_a_preset_is_a_start_of_standard_layers(hub, preset, tmp_path):
    name = register_saved(f"kerashub:{preset}")
    assert name == "kerashub_my_net" == register_saved(f"kerashub:{preset}")
    testing.check_start(start(name), size=64)
    assert start(name).description["licence"] == "mit"
    made, x = start(name).build(64), np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    np.testing.assert_allclose(made(x), hub["backbone"](x), atol=1e-6)
    assert len(made.weights) == len(hub["backbone"].weights)
    space = AdaptationSpace(starts=[name], sizes=(64,))
    network = space.build_network(space.network(name, 64, ("tuned",) * 5), (32, 32, 3), num_classes=2)
    network.save(tmp_path / "network.keras")
    del sys.modules["keras_hub"]
    np.testing.assert_allclose(
        keras.models.load_model(tmp_path / "network.keras")(x[:, :32, :32]), network(x[:, :32, :32])
    )
    modules = {type(layer).__module__.partition(".")[0] for layer in network._flatten_layers()}
    assert modules == {"keras"}


def test_pixels_are_scaled_as_the_converter_does(hub, preset):
    found, x = KerasHubStart(str(preset)), np.random.default_rng(0).uniform(0, 255, (2, 3))
    found.build(64)
    np.testing.assert_allclose((x - found.offset) / found.scale, x * Converter.scale + Converter.offset)
    hub["converter"] = types.SimpleNamespace(scale=2.0, offset=[1.0, 2.0, 3.0])
    found.build(64)
    np.testing.assert_allclose((x - found.offset) / found.scale, 2 * x + [1, 2, 3])
    for converter in (types.SimpleNamespace(scale=None, offset=None), FileNotFoundError("no image_converter.json")):
        hub["converter"] = converter
        raw = KerasHubStart(str(preset))
        raw.build(64)
        assert (raw.offset, raw.scale) == (0.0, 1.0)


def test_what_is_here_is_answered_from_folders_and_caches_alone(hub, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)  # importing it would fail
    names = ("resnet_18_imagenet", "kaggle://keras/resnetv1/keras/resnet_18_imagenet/3", "hf://owner/net")
    assert not any(KerasHubStart(name).available() for name in names)
    assert all(KerasHubStart(name).downloads for name in names)
    write_preset(tmp_path / "KAGGLEHUB_CACHE/models/keras/resnetv1/keras/resnet_18_imagenet/3")
    write_preset(tmp_path / "HF_HUB_CACHE/models--owner--net/snapshots/abc", "---\nlicense: apache-2.0\n---\n")
    write_preset(tmp_path / "HF_HUB_CACHE/models--owner--bare/snapshots/abc", "---\ntags: []\n---\nlicense: mit\n")
    assert KerasHubStart("hf://owner/bare").licence == "unknown"
    assert all(KerasHubStart(name).available() for name in names)
    assert [KerasHubStart(name).licence for name in names] == ["unknown", "unknown", "apache-2.0"]
    assert [KerasHubStart(name).name for name in names[::2]] == ["kerashub_resnet_18_imagenet", "kerashub_hf_owner_net"]
    others = (
        "hf://owner/other",
        "hf://",
        "kaggle:///root",
        "kaggle://*/resnetv1/keras/resnet_18_imagenet/3",
        "resnet_*",
    )
    assert not any(KerasHubStart(name).available() for name in others)


def test_without_the_package_the_extra_is_named(preset, monkeypatch):
    monkeypatch.setattr("kerasnas.starts.kerashub._PACKAGE", "no-such-package")
    found = KerasHubStart(str(preset))
    assert not found.available() and not KerasHubStart("resnet_18_imagenet").downloads
    with pytest.raises(StartError, match=r"kerasnas\[kerashub\]"):
        found.build(64)


@pytest.mark.parametrize(
    "backbone, words",
    [
        (rows, "^KerasHub preset .* is no network of images"),
        (lambda: composite(layers.GlobalAveragePooling2D()), "no network of images"),
        (lambda: composite(Scale()), "layers that only KerasHub can load: Scale|layers that only KerasHub can load"),
        (lambda: keras.Model(*[keras.Input((8, 8, 1))] * 2), "1 channels"),
        (lambda: OSError("no route to host\nand more"), "could not be downloaded or read: no route to host$"),
        (lambda: ValueError(""), "could not be downloaded or read: ValueError"),
    ],
    ids=["rows", "no map", "a variable of its own", "gray", "no connection", "no words"],
)
def test_what_is_no_start_is_one_line(hub, preset, backbone, words):
    hub["backbone"] = backbone()
    with pytest.raises(StartError, match=words) as raised:
        KerasHubStart(str(preset)).build(64)
    assert "\n" not in str(raised.value) and "My net" in str(raised.value)


def test_unknown_presets_and_folders_are_named(hub, tmp_path):
    with pytest.raises(StartError, match="resnet_18_imagenet"):
        KerasHubStart("resnet_18_imagnet").build(64)
    with pytest.raises(FileNotFoundError, match="folder with a preset"):
        register_saved(f"kerashub:{tmp_path / 'nothing'}")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text(json.dumps({}))  # without weights
    with pytest.raises(FileNotFoundError, match="damaged"):
        register_saved(f"kerashub:{tmp_path / 'damaged'}")


def test_two_starts_of_one_name_are_refused(hub, preset, tmp_path):
    register_saved(f"kerashub:{preset}")
    with pytest.raises(ValueError, match=r"exists\. Rename"):
        register_saved(f"kerashub:{write_preset(tmp_path / 'other' / 'My net')}")
    TinyStart().build(32).save(tmp_path / "kerashub my net.keras")
    with pytest.raises(ValueError, match=r"exists\. Rename"):
        register_saved(tmp_path / "kerashub my net.keras")
