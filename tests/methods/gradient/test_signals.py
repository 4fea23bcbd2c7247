"""A whole run on signals by the command line, and its errors where settings and signals do not fit."""

import json
import zipfile

import keras
import numpy as np
import pytest

from kerasnas import cli
from kerasnas.datasets import waveforms

SEARCH = [
    *("--space=signals", "--num_nodes=1", "--primitives=skip_connect,conv_3", "--filters=2", "--num_cells=1"),
    *("--batch_size=12", "--epochs=1", "--architecture_warmup_epochs=0", "--random_genotypes=1", "--shortlist=0"),
    *("--retrain_filters=2", "--retrain_cells=1", "--retrain_batch_size=12", "--retrain_epochs=1"),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    data = waveforms(train_samples=24, test_samples=12, length=16)
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    arrays = {"x_train": data.x_train, "y_train": data.y_train, "x_test": data.x_test, "y_test": data.y_test}
    np.savez(path, **arrays, classes=data.classes, kind="signals")
    return path


@pytest.mark.slow  # by default recordings, which are signals behind their front, have a whole run in test_text.py
def test_whole_run(dataset, tmp_path):
    folder = tmp_path / "run"
    own = ["--random_genotypes=0", "--kernels=100"]
    assert cli.main(["search", f"--dataset={dataset}", *SEARCH, *own, f"--output_dir={folder}"]) == 0
    result = json.loads((folder / "result.json").read_text())
    assert result["dataset"]["input_shape"] == [16, 1] and result["genotype"]["space"] == "signals"
    card = (folder / "card.md").read_text()
    assert "A Keras signal classifier." in card and "16x1" in card
    assert "image" not in card.replace("image_size", "").replace("image_fit", "")  # two settings
    assert "linear model on 84 random kernels | held-out loss (6 signals): " in card
    with zipfile.ZipFile(folder / "model.keras") as file:
        assert b"kerasnas" not in file.read("config.json")
    assert keras.models.load_model(folder / "model.keras").input_shape == (None, 16, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kernels=83"], "Invalid value received for flag --kernels. Expected -1, 0, or at least 84. Received: 83"),
        (["--augment=shift,cutout"], "Expected shift, or nothing, for the signals of tiny. Received: shift, cutout"),
        (
            ["--space=nasbench201", "--primitives="],
            "takes images, and tiny holds signals, of shape (16, 1). Add --space=signals",
        ),
        (
            ["--dataset=fashion_mnist_mini"],
            "takes signals, and fashion_mnist_mini holds images, of shape (28, 28, 1)",
        ),
    ],
)
def test_what_does_not_fit_is_reported(dataset, arguments, message, tmp_path, capsys):
    command = ["search", f"--dataset={dataset}", *SEARCH, *arguments, f"--output_dir={tmp_path / 'run'}"]
    assert cli.main(command) == 2
    assert message in capsys.readouterr().err
