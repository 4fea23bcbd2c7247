"""Every example runs, at its smallest; the code of README and guides is run by `test_documentation.py`."""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import kerasnas

NOTEBOOK = "colab_tpu.ipynb"
ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.examples


PRINTED = {  # accuracies of ten classes; in the table, 19 of 20 networks are below 86.2
    "ask_tell.py": (r"validation ([\d.]+)", 86.2),
    "graph_cells.py": (r"test accuracy ([\d.]+)", 0.6),  # of three classes
    "chief_and_workers.py": (r"is the best, ([\d.]+)", 0.3),
    "planning.py": (r"5x5: ([\d.]+) arrive", 0.6),  # one move alone leads a fifth of them there
    "keras_tuner_search.py": (r"test: .*'accuracy': ([\d.]+)", 0.2),
    "supernet_tuner.py": (r"test: .*'accuracy': ([\d.]+)", 0.25),
    "texts.py": (r"searched network: ([\d.]+)", 0.7),  # of two classes
}


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "examples").glob("*.py")))
def test_example_runs(name, capsys):
    """At its smallest, and where it prints or returns an accuracy, clearly better than chance."""
    result = load(ROOT / "examples" / name).main(tiny=True)
    if name == "mixed_op.py":
        assert sorted(result) == sorted(
            ["factorized_reduce", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"]
        )
        assert sum(result.values()) == pytest.approx(1, abs=1e-5)
    elif name == "darts_fit.py":
        assert 0.3 < result <= 1  # of ten classes
    elif name == "few_shot_cells.py":
        assert list(result) == [(0, 5, "scratch"), (0, 5, "meta-learned")]
        assert all(0.45 < estimate.mean <= 1 for pair in result.values() for estimate in pair)  # of three classes
    elif name == "transfer.py":
        starts = ["from scratch", "warm start", "first genotype", "first genotype and weights"]
        assert list(result) == [("clothes", start) for start in starts]
        *drawn, learned = result.values()  # of four classes; 24 steps from drawn weights are not always enough
        assert 0.4 < learned <= 1 and 0.4 < max(drawn) <= 1 and min(drawn) >= 0
    elif name == "drift.py":
        phases = ["as they are", "turned by 30 degrees", "turned by 60 degrees", "contrast inverted", "noisy"]
        assert list(result) == phases
        columns = ["frozen", "before its steps", "adapted", "from scratch"]
        assert all(list(row) == columns and 0 <= min(row.values()) <= max(row.values()) <= 1 for row in result.values())
        first, second = result["as they are"], result["turned by 30 degrees"]
        assert first["frozen"] == first["adapted"] > 0.3 and second["adapted"] > 0.2  # of ten classes
    else:
        assert isinstance(result, kerasnas.Genotype)
        if name in PRINTED:
            pattern, least = PRINTED[name]
            assert float(re.search(pattern, capsys.readouterr().out)[1]) > least


def notebook():
    import nbformat

    return nbformat.read(ROOT / "examples" / NOTEBOOK, as_version=4)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_notebook_runs(backend, tmp_path, monkeypatch):
    """From top to bottom in a clean kernel, on the CPU; on JAX as two devices, as a TPU has several."""
    from nbclient import NotebookClient

    settings = {"KERASNAS_DATASET": "fashion_mnist_mini", "KERASNAS_TINY": "1", "KERAS_BACKEND": backend}
    settings |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "2"}
    settings["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    book = notebook()
    NotebookClient(book, timeout=900, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    said = "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", []))
    assert f"Keras on {backend}, {2 if backend == 'jax' else 1} replica(s)" in said
    assert "test accuracy" in said
    genotype = kerasnas.Genotype.load(tmp_path / "genotype.json")
    assert genotype.space == "darts" and (tmp_path / "model.keras").exists()


@pytest.mark.parametrize(
    ("accelerator", "tensorflow", "tensorflow_tpu", "expected"),
    [
        ("tpu", True, True, "tensorflow"),
        ("tpu", True, False, "jax"),  # plain TensorFlow has no TPU in it
        ("tpu", False, False, "jax"),
        ("gpu", True, False, "tensorflow"),
        ("cpu", False, False, "jax"),
    ],
)
def test_notebook_picks_the_backend_that_can_use_the_machine(accelerator, tensorflow, tensorflow_tpu, expected):
    (cell,) = [cell for cell in notebook().cells if "def choose_backend" in cell.source]
    namespace = {"importlib": importlib, "os": SimpleNamespace(environ={})}
    exec(compile(f"import importlib.util\n{cell.source}", NOTEBOOK, "exec"), namespace)
    assert namespace["choose_backend"](accelerator, tensorflow, tensorflow_tpu) == expected


def test_notebook_is_saved_without_outputs_and_says_what_to_install():
    book = notebook()
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in book.cells)
    text = "".join(cell.source for cell in book.cells)
    assert "tensorflow-tpu==2.20.0" in text and "keras>=3.15,<3.16" in text
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"keras>=3.15,<3.16"' in declared and '"tensorflow>=2.21,<2.22"' in declared
