"""Long runs on real images: `pytest -m slow`. They back the README's results, and prove no feature alone."""

import json
import os
import statistics
from pathlib import Path

import pytest

from kerasnas import cli

pytestmark = pytest.mark.slow


@pytest.fixture
def real_data():
    folder = os.environ.get("KERASNAS_DATA")
    assert folder, "Set KERASNAS_DATA to a folder that holds cifar10_mini.npz (in it or below it)."
    found = sorted(Path(folder).rglob("cifar10_mini.npz"))
    assert found, f"There is no cifar10_mini.npz below KERASNAS_DATA={folder}."
    return found[0]


def test_the_main_job_reaches_its_figures(tmp_path):
    """Three seeds: at least 0.88 in the mean, at most 150,000 parameters, above the random networks."""
    searched, random = [], []
    for seed in range(3):
        folder = tmp_path / f"seed-{seed}"
        assert cli.main(["search", "--space=darts", f"--seed={seed}", f"--output_dir={folder}"]) == 0
        result = json.loads((folder / "result.json").read_text())
        assert result["searched"]["parameters"] <= 150_000
        searched.append(result["searched"]["test_accuracy"])
        random.append(statistics.mean(other["test_accuracy"] for other in result["random"]))
    assert statistics.mean(searched) >= 0.88
    assert statistics.mean(searched) > statistics.mean(random)


def test_color_images_need_only_another_dataset(tmp_path, real_data):
    """The same command on CIFAR-10 images; 2,000 of them teach a small network more than twice chance."""
    assert cli.main(["search", "--space=darts", f"--dataset={real_data}", f"--output_dir={tmp_path / 'run'}"]) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["dataset"]["input_shape"] == [32, 32, 3]
    assert result["searched"]["test_accuracy"] > 0.2
