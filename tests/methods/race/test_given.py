"""Races with the user's own candidates and in the user's own space: checked first, trained, resumed, trained again."""

import json
import shutil
import sys
import textwrap

import numpy as np
import pytest

from kerasnas import cli, methods
from kerasnas.genotypes import Genotype
from kerasnas.methods import RaceConfig, SearchConfig
from kerasnas.racing.race import stage
from kerasnas.runs.folder import RunFolder
from kerasnas.runs.method import Context
from kerasnas.runs.progress import Progress
from kerasnas.spaces import SPACES, MacroSpace, NASBench201Space, SignalSpace
from tests.methods.race.test_running import images

CELL = Genotype("darts", {"reduce": [("max_pool_3x3", 0, 2), ("sep_conv_3x3", 1, 2)]})
SIZES = {"num_nodes": 1, "stem_strides": 1, "retrain_filters": 3, "retrain_cells": 2, "num_cells": 2}
OWN = """
    import keras
    from kerasnas.genotypes import Edge, Genotype
    from kerasnas.spaces import SPACES, SearchSpace

    @SPACES.register("lines")
    class Lines(SearchSpace):
        name, shapes_network = "lines", True
        choices = {"layers": ("1", "2"), "kernel_size": ("1", "3")}

        def __init__(self, filters=4):
            self.filters = filters

        @classmethod
        def for_data(cls, input_shape, num_classes, samples, **arguments):
            return cls(**{"filters": 5, **arguments})

        def genotype(self, assignment):
            self.check_assignment(assignment)
            layers, name = int(assignment["layers"]), "conv_" + assignment["kernel_size"]
            return Genotype("lines", {"line": [Edge(name, layer, layer + 1) for layer in range(layers)]})

        def assignment(self, genotype):
            return {"layers": str(len(genotype["line"])), "kernel_size": genotype["line"][0].primitive[5:]}

        def build_supernet(self, input_shape, num_classes, **kwargs):
            raise ValueError("Space 'lines' has no supernet.")

        def build_network(self, genotype, input_shape, num_classes, seed=0):
            self.validate(genotype)
            x = inputs = keras.Input(input_shape)
            for edge in genotype["line"]:
                size = int(edge.primitive[5:])
                x = keras.layers.Conv2D(self.filters, size, padding="same", activation="relu")(x)
            return keras.Model(inputs, keras.layers.Dense(num_classes)(keras.layers.GlobalAveragePooling2D()(x)))
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "rows.npz"
    (x, y), (x_test, y_test) = images(240, rng), images(60, rng)
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return path


@pytest.fixture
def cells(tmp_path):
    """The folder of a gradient search, as far as it says what was found."""
    run = RunFolder.create(tmp_path / "cells", SearchConfig(**SIZES))
    CELL.save(run.path / "genotype.json")
    return run.path


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(stage, "first_steps", lambda seconds: 10)
    monkeypatch.setattr(stage, "race_share", lambda seconds: 0.6)


def silent(line):
    pass


@pytest.mark.slow
def test_a_cell_wins_is_resumed_without_its_run_and_trained_again(dataset, cells, tmp_path, capsys):
    """Alone in the race, so that it wins: `candidates` does not count it."""
    settings = RaceConfig(dataset=str(dataset), cpu_minutes=0.2, candidates=1, genotypes=(str(cells),))

    def interrupt(line):
        if line.startswith("Training cells"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        methods.search(settings, tmp_path / "race", log=interrupt)
    shutil.rmtree(cells)
    result = methods.resume(tmp_path / "race", log=silent)
    (entry,) = result["race"]["contestants"].values()
    assert result["race"]["winner"] == "cells" and entry["kind"] == "given"
    assert Genotype.load(tmp_path / "race" / "genotype.json") == CELL
    assert result["genotype"]["space"] == "darts" and result["searched"]["parameters"] == entry["parameters"]
    assert cli.main(["report", f"--output_dir={tmp_path / 'race'}"]) == 0
    assert "cells, your own network, was trained for the whole budget" in capsys.readouterr().out
    flags = [f"--genotype={tmp_path / 'race'}", f"--output_dir={tmp_path / 'plots'}"]
    assert cli.main(["plot", *flags]) == 0 and (tmp_path / "plots" / "cell_reduce.png").exists()
    flags = [f"--dataset={dataset}", "--retrain_epochs=1", f"--output_dir={tmp_path / 'again'}"]
    assert cli.main(["retrain", f"--genotype={tmp_path / 'race'}", *flags]) == 0
    again = json.loads((tmp_path / "again" / "result.json").read_text())
    assert again["searched"]["parameters"] == entry["parameters"]


def test_names_are_those_of_the_files_and_folders(cells, tmp_path):
    from kerasnas.methods.race.given import _name

    (tmp_path / "cells.json").write_text("{}")
    names: dict = {}
    for path in (cells, cells / "genotype.json", tmp_path / "cells.json", tmp_path / "a b", f"{cells}/"):
        names[_name(str(path), names)] = None
    assert list(names) == ["cells", "cells-2", "cells-3", "a_b", "cells-4"]


@pytest.mark.parametrize("limit", ["max_parameters", pytest.param("latency_target_ms", marks=pytest.mark.slow)])
def test_a_candidate_outside_the_limits_is_named_before_anything_is_trained(
    limit, dataset, cells, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(stage.Race, "run", None)
    flags = [f"--dataset={dataset}", f"--genotypes={cells}", f"--output_dir={tmp_path / 'run'}"]
    bound = {"max_parameters": "10", "latency_target_ms": "0.0001"}[limit]
    assert cli.main(["search", *flags, f"--{limit}={bound}"]) == 2
    error = capsys.readouterr().err
    assert f"--genotypes={cells}: this network " in error and f"above {limit}={bound}" in error
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["failed.json"]  # the same folder can be used again


def test_what_cannot_take_part(dataset, cells, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(stage.Race, "run", None)
    rng = np.random.default_rng(0)
    SignalSpace().sample(rng).save(tmp_path / "signals.json")
    Genotype("drats", CELL.cells).save(tmp_path / "unknown.json")
    deep = MacroSpace().network("conv_3x3", 1.0, "conv_3x3", "pool", (1, 1, 1, 1))
    deep.save(tmp_path / "deep.json")
    (tmp_path / "none.json").write_text('{"a": 1}')
    CELL.save(tmp_path / "other_size.json")

    def refused(*paths):
        flags = [f"--dataset={dataset}", *(f"--genotypes={tmp_path / path}" for path in paths)]
        assert cli.main(["search", *flags, f"--output_dir={tmp_path / 'run'}"]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"kerasnas: --genotypes={tmp_path / paths[-1]}: ") and error.count("\n") == 1
        assert [file.name for file in (tmp_path / "run").iterdir()] == ["failed.json"]
        return error

    assert "Did you mean 'cells'?" in refused("cell")
    assert "one of signals, of space 'signals'" in refused("signals.json")
    assert "Unknown space 'drats'. Did you mean 'darts'?" in refused("unknown.json")
    assert "Not a genotype" in refused("none.json")
    assert "halves the image at most" in refused("deep.json") or "stages" in refused("deep.json")
    assert "This is that of 'cells', in another size" in refused("cells", "other_size.json")


def test_one_network_from_two_places_takes_part_once(dataset, cells, tmp_path, monkeypatch):
    from kerasnas.methods.race import given

    config = RaceConfig(dataset=str(dataset), genotypes=(str(cells), str(cells / "."), str(tmp_path / "file.json")))
    NASBench201Space(num_nodes=1).sample(np.random.default_rng(0)).save(tmp_path / "file.json")
    run = RunFolder.create(tmp_path / "run", config)
    context = Context(run, Progress("none"), None)
    context.data = run.method.load(config)
    found = given.given_networks(context, lambda model: "")
    assert list(found) == ["cells", "file"] and found["cells"].config.retrain_filters == 3
    monkeypatch.setattr(given, "read_network", None)  # what is recorded is not read again
    assert given.given_networks(context, lambda model: "too large") == found


@pytest.fixture
def own_module(tmp_path):
    (tmp_path / "own_lines.py").write_text(textwrap.dedent(OWN))
    yield tmp_path / "own_lines.py"
    sys.modules.pop("own_lines", None)
    if "lines" in SPACES:
        SPACES.unregister("lines")


@pytest.mark.slow
def test_own_space_without_a_supernet_is_raced(own_module, dataset, tmp_path):
    """Its networks have the sizes of its `for_data`, and as it has no costs the built ones are counted."""
    folder, data = tmp_path / "run", f"--dataset={dataset}"
    flags = [f"--import={own_module}", "--space=lines", data, "--cpu_minutes=0.25", "--candidates=2"]
    assert cli.main(["search", *flags, "--max_parameters=100", f"--output_dir={folder}"]) == 0
    result = json.loads((folder / "result.json").read_text())
    assert result["genotype"]["space"] == "lines" and "--space=lines" in result["command"]
    contestants = result["race"]["contestants"]
    assert {entry["kind"] for entry in contestants.values()} == {"random"}
    possible = {28, 58, 68}  # with 5 filters; two layers of 3 x 3 have 298
    assert {entry["parameters"] for entry in contestants.values()} <= possible
    flags = [data, "--retrain_epochs=1", f"--output_dir={tmp_path / 'again'}"]
    assert cli.main(["retrain", f"--genotype={folder}", *flags]) == 0
    again = json.loads((tmp_path / "again" / "result.json").read_text())
    assert again["searched"]["parameters"] == result["searched"]["parameters"]
    assert again["settings"]["imports"] == [str(own_module)]


def test_limits_that_no_network_of_another_space_meets(own_module, dataset, tmp_path):
    config = RaceConfig(imports=(str(own_module),), dataset=str(dataset), space="lines", max_parameters=5)
    with pytest.raises(ValueError, match=r"No network of space 'lines' is within max_parameters=5: of 10 .* has 28 "):
        methods.search(config, tmp_path / "run", log=silent)
