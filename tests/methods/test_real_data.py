"""Long runs on real images: `pytest -m slow`. They prove no feature alone."""

import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from kerasnas import cli

pytestmark = pytest.mark.slow


def search(folder, seed):
    """The main job in a process with one thread, of which two run side by side: they take half of the time."""
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    command = [sys.executable, "-m", "kerasnas", "search", "--space=darts", f"--seed={seed}"]
    command += ["--quiet", f"--output_dir={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **threads})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "result.json").read_text())


def test_the_main_job_reaches_its_figures(tmp_path):
    """Three seeds: at least 0.88 in the mean, at most 150,000 parameters, above the random networks."""
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda seed: search(tmp_path / f"seed-{seed}", seed), range(3)))
    assert all(result["searched"]["parameters"] <= 150_000 for result in results)
    searched = [result["searched"]["test_accuracy"] for result in results]
    random = [statistics.mean(other["test_accuracy"] for other in result["random"]) for result in results]
    assert statistics.mean(searched) >= 0.88
    assert statistics.mean(searched) > statistics.mean(random)


def test_color_images_need_only_another_dataset(tmp_path, published):
    """The same command on CIFAR-10 images; 2,000 of them teach a small network more than twice chance."""
    data, folder = published("cifar10_mini.npz"), tmp_path / "run"
    assert cli.main(["search", "--space=darts", f"--dataset={data}", f"--output_dir={folder}"]) == 0
    result = json.loads((folder / "result.json").read_text())
    assert result["dataset"]["input_shape"] == [32, 32, 3]
    assert result["searched"]["test_accuracy"] > 0.2
