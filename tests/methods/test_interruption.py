"""The real thing: processes that are stopped and killed, and a run that ends as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from tests.kit import save_noise

FLAGS = [
    "--space=darts",
    *("--stem_strides=1", "--num_nodes=1", "--primitives=none,skip_connect,max_pool_3x3", "--filters=2"),
    *(
        "--num_cells=1",
        "--batch_size=8",
        "--epochs=40",
        "--architecture_learning_rate=0.05",
        "--random_genotypes=0",
        "--shortlist=0",
    ),
    *("--retrain_filters=2", "--retrain_cells=2", "--retrain_batch_size=8", "--retrain_epochs=40", "--drop_path=0.2"),
    "--curvature_ratio=0",  # its resuming has a test of its own, and forty epochs of it take their time
]


@pytest.fixture
def start(one_order):
    """Start `kerasnas` with these arguments."""

    def begin(*arguments):
        program = "import sys; from kerasnas.cli import main; sys.exit(main())"
        return subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **one_order, "PYTHONUNBUFFERED": "1"},
        )

    return begin


def stop(process, signal_number, folder):
    """Send the signal as soon as `folder` holds the checkpoint of an epoch; return the exit status and the output."""
    deadline = time.monotonic() + 120
    while not any(path.name > "checkpoint-000000.npz" for path in folder.glob("checkpoint-*.npz")):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"No checkpoint in {folder}: {process.communicate()[0]}")
        time.sleep(0.002)
    process.send_signal(signal_number)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_stopped_and_killed_run_equals_the_uninterrupted(start, tmp_path):
    save_noise(tmp_path / "tiny.npz", 48, 16)
    flags = [f"--dataset={tmp_path / 'tiny.npz'}", *FLAGS]
    run, whole = tmp_path / "run", tmp_path / "whole"

    status, output = stop(
        start("search", *flags, f"--output_dir={run}"), signal.SIGTERM, run / "checkpoints" / "search"
    )
    assert status == 130, output
    assert f"kerasnas resume --output_dir={run}" in output
    assert "Traceback" not in output
    assert not (run / "stages").exists()  # it was in mid-search

    resume = ("resume", f"--output_dir={run}")
    status, output = stop(start(*resume), signal.SIGKILL, run / "checkpoints" / "searched")
    assert status == -signal.SIGKILL, output
    assert "resuming after epoch" in output
    assert [path.name for path in (run / "stages").iterdir()] == ["search.json"]  # it was in mid-training

    last = start(*resume)
    output, _ = last.communicate(timeout=120)
    assert last.returncode == 0, output
    assert "resuming after epoch" in output

    uninterrupted = start("search", *flags, f"--output_dir={whole}")
    output, _ = uninterrupted.communicate(timeout=120)
    assert uninterrupted.returncode == 0, output
    for name in ("history.csv", "genotype.json"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    for stage in ("search", "searched"):
        first, second = (json.loads((folder / "stages" / f"{stage}.json").read_text()) for folder in (run, whole))
        first.pop("seconds"), second.pop("seconds")
        assert json.dumps(first) == json.dumps(second)  # among them the course of the mixing weights
        assert not (run / "checkpoints" / stage).exists()  # of no use any more
    first, second = (keras.models.load_model(folder / "model.keras").get_weights() for folder in (run, whole))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
