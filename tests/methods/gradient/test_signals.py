"""Errors of the command line where settings and signals do not fit; recordings have a whole run in test_text.py."""

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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kernels=83"], "Invalid value received for flag --kernels. Expected -1, 0, or at least 84. Received: 83"),
        (["--augment=shift,cutout"], "Expected shift, or nothing, for the signals of tiny. Received: shift, cutout"),
        (
            ["--space=nasbench201", "--primitives="],
            "takes images, and tiny holds signals, of shape (16, 1). Add --space=signals",
        ),
        (["--dataset=fashion_mnist_mini"], "takes signals, and fashion_mnist_mini holds images, of shape (28, 28, 1)"),
    ],
)
def test_what_does_not_fit_is_reported(dataset, arguments, message, tmp_path, capsys):
    command = ["search", f"--dataset={dataset}", *SEARCH, *arguments, f"--output_dir={tmp_path / 'run'}"]
    assert cli.main(command) == 2
    assert message in capsys.readouterr().err
