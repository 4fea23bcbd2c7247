"""The supernet against an independent formulation in PyTorch: loss, and gradients by alphas and network weights."""

import importlib.util
import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "golden"
SCRIPT = FOLDER / "make_pytorch_parity.py"
GOLDEN = json.loads((FOLDER / "pytorch_parity.json").read_text())
parity = runpy.run_path(str(SCRIPT))


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_loss_and_gradients(float64, name):
    expected = GOLDEN["cases"][name]
    supernet = parity["build_supernet"](name)
    loss, by_alphas, by_weights = parity["keras_values"](supernet, parity["batch_of"](name))
    np.testing.assert_allclose(loss, expected["loss"], rtol=1e-6)

    assert len(by_alphas) == len(expected["alphas"]) == len(supernet.alphas)
    for received, other in zip(by_alphas, map(np.array, expected["alphas"]), strict=True):
        assert np.linalg.norm(received - other) <= 1e-5 * np.linalg.norm(other)

    assert [list(gradient.shape) for gradient in by_weights] == [weight["shape"] for weight in expected["weights"]]
    for index, (gradient, weight) in enumerate(zip(by_weights, expected["weights"], strict=True)):
        norm, product = parity["summary"](index, gradient)
        assert norm == pytest.approx(weight["norm"], rel=1e-5), weight["name"]
        assert product == pytest.approx(weight["product"], abs=1e-5 * weight["norm"]), weight["name"]


def test_both_programs_have_the_sizes_counted_by_hand():
    assert GOLDEN["parameters"] == json.loads((FOLDER / "parameter_counts.json").read_text())["supernet"]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_entry_by_entry_with_pytorch():
    """In a process of its own: two frameworks in one share threads, and their precision settings."""
    run = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
