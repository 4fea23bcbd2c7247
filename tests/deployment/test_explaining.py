"""Parts of a sample that an answer depends on: closed forms, and the page of the command."""

import re

import keras
import numpy as np
import pytest
from PIL import Image

from kerasnas.deployment.explaining import explain
from kerasnas.export.classifier import Classifier, with_preprocessing
from kerasnas.modalities.fronts import Padding
from kerasnas.modalities.signals import Signals
from tests.kit import finished_run

CLASSES = ("dark", "bright")


def network(shape, *places):
    """Logit of the second class: the sum of the values at these places; of the first: a half."""
    inputs = keras.Input(shape)
    dense = keras.layers.Dense(2)
    model = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    kernel = np.zeros((*shape, 2))
    for place in places:
        kernel[(*place, 1)] = 1
    dense.set_weights([kernel.reshape(-1, 2), np.array([0.5, 0.0])])
    return model


def softmax(*logits):
    return np.exp(logits) / np.exp(logits).sum()


@pytest.fixture
def run(tmp_path):
    """A network that sees one pixel, and an image whose pixel there alone is white: a block of 2 x 1 pixels."""
    folder = finished_run(tmp_path / "run", network((16, 8, 1), (5, 3, 0)), CLASSES, 255)
    pixels = np.zeros((16, 8), np.uint8)
    pixels[5, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "image.png")
    return folder


def test_the_block_that_a_network_sees_is_shown(run, tmp_path, told):
    page = tmp_path / "pages" / "why.html"
    assert "bright  62.2 %" in told("predict", run, tmp_path / "image.png", f"--explain={page}")
    text = page.read_text()
    mean = 1 / (16 * 8)
    lower = softmax(0.5, 1)[1] - softmax(0.5, mean)[1]
    assert f"rows 4-6, columns 3-4 ({lower:+.3g})." in text and "bright  62.2 %" in text
    shades = [float(shade) for shade in re.findall(r"--shade:([\d.]+)", text)]
    assert len(shades) == 64 and np.flatnonzero(shades).tolist() == [2 * 8 + 3] and max(shades) == 0.75
    assert "repeat(8,1fr)" in text


def test_a_window_of_a_padded_series_becomes_its_mean(tmp_path):
    (tmp_path / "new.ts").write_text("@timestamps false\n@univariate true\n@classLabel false\n@data\n0,2,4,6\n")
    model = with_preprocessing(network((5, 1), (3, 0), (4, 0)), front=Padding())
    classifier = Classifier(model, CLASSES, 1.0, modality=Signals())
    names, samples, _ = classifier.modality.from_paths([tmp_path / "new.ts"], classifier.reading)
    (one,) = explain(classifier, names, samples)
    assert one.explained == "bright" and one.picture is None and one.rows == 1 and one.parts[3] == "steps 3 to 3"
    expected = np.zeros(5)
    expected[3] = softmax(0.5, 6)[1] - softmax(0.5, 3)[1]  # the fifth step is padding, which stays
    np.testing.assert_allclose(one.changes, expected, atol=1e-6)
