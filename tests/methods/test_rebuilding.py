"""Networks built again from a genotype file or from the folder of a run, at the size they had there."""

import numpy as np
import pytest

from kerasnas import datasets, genotypes
from kerasnas.methods import RaceConfig, SearchConfig, TrainingConfig
from kerasnas.methods.rebuilding import Rebuilt, fitting, read_network
from kerasnas.runs.folder import RunFolder
from kerasnas.spaces import SPACES, DARTSSpace, ENASMacroSpace, MacroSpace, ProxylessSpace

DATA = datasets.Dataset("some", *(np.zeros((6, 12, 12, 1), "float32"), np.arange(6) % 3) * 2, classes=("a", "b", "c"))


def sample(space):
    return space.sample(np.random.default_rng(0))


def run_of(folder, config, genotype):
    run = RunFolder.create(folder, config)
    genotype.save(run.path / "genotype.json")
    return run.path


def parameters(space, genotype, **sizes):
    return space.build_network(genotype, DATA.input_shape, DATA.num_classes, **sizes).count_params()


def test_a_search_has_the_size_that_it_trained_its_network_at(tmp_path):
    space = DARTSSpace(filters=4, num_cells=3, num_nodes=1, stem_strides=1, primitives=("none", "skip_connect"))
    settings = {"num_nodes": 1, "stem_strides": 1, "primitives": space.primitives, "retrain_filters": 6}
    config = SearchConfig(filters=4, retrain_cells=4, **settings)
    found = read_network(run_of(tmp_path / "run", config, sample(space)))
    expected = parameters(space, sample(space), filters=6, num_cells=4)
    assert found.build(DATA).count_params() == expected
    assert Rebuilt.from_dict(found.to_dict()) == found
    wider = read_network(tmp_path / "run", retrain_filters=12)
    assert wider.config.retrain_filters == 12 and wider.config.retrain_cells == 4


def test_a_depth_that_a_network_cannot_change_is_that_of_the_search(tmp_path):
    space = ENASMacroSpace(filters=4, num_layers=3)
    config = SearchConfig(space="enas_macro", filters=4, num_cells=3, retrain_filters=6)
    found = read_network(run_of(tmp_path / "run", config, sample(space)))
    expected = parameters(ENASMacroSpace(filters=6, num_layers=3, stem_strides=2), sample(space))
    assert found.build(DATA).count_params() == expected


def test_a_training_and_a_race(tmp_path):
    space = MacroSpace.for_data(DATA.input_shape, DATA.num_classes, len(DATA.x_train))
    raced = read_network(run_of(tmp_path / "race", RaceConfig(), sample(space)))
    assert raced.build(DATA).count_params() == parameters(space, sample(space))
    config = TrainingConfig(space="macro", retrain_filters=8)
    trained = read_network(run_of(tmp_path / "retrain", config, sample(space)))
    assert trained.build(DATA).count_params() == parameters(space, sample(space), filters=8)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (DARTSSpace(num_nodes=2), {"num_nodes": 2, "retrain_cells": 3}),
        pytest.param(ENASMacroSpace(num_layers=7), {"retrain_cells": 7}, marks=pytest.mark.slow),
        pytest.param(ProxylessSpace(num_layers=4), {"retrain_cells": 4}, marks=pytest.mark.slow),
        (SPACES["nasbench101"](), {}),
        (MacroSpace(), {}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_genotype_alone_says_its_space_nodes_and_depth(space, expected, tmp_path):
    genotype = sample(space)
    genotype.save(tmp_path / "one.json")
    found = read_network(tmp_path / "one.json")
    assert found.config.space == space.name
    assert {name: getattr(found.config, name) for name in expected} == expected
    if space.name != "macro":  # whose networks may be too deep for these images
        assert found.build(DATA).output_shape == (None, 3)
    (tmp_path / "trial").mkdir()
    genotype.save(tmp_path / "trial" / "genotype.json")  # as tuners leave it
    assert read_network(tmp_path / "trial") == found


def test_what_is_no_network(tmp_path):
    (tmp_path / "runs").mkdir()
    run_of(tmp_path / "cells", SearchConfig(), genotypes.DARTS_V2)
    with pytest.raises(FileNotFoundError, match=r"folder of a run\. Received: .*cell\. Did you mean 'cells'\?"):
        read_network(tmp_path / "cell")
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere either"):
        read_network(tmp_path / "nowhere" / "x.json")
    with pytest.raises(FileNotFoundError, match=r"with a genotype\.json in it"):
        read_network(tmp_path / "runs")
    begun = RunFolder.create(tmp_path / "begun", SearchConfig()).path
    with pytest.raises(FileNotFoundError, match=r"has no genotype\.json yet\. Continue it with `kerasnas resume"):
        read_network(begun)
    (tmp_path / "bad.json").write_bytes(b"\xff\x00")
    with pytest.raises(ValueError, match=r"bad\.json"):
        read_network(tmp_path / "bad.json")
    with pytest.raises(ValueError, match="has 3 nodes"):  # the run's settings say 3
        read_network(tmp_path / "cells")
    with pytest.raises(ValueError, match=r"Unknown space 'drats'\. Did you mean 'darts'"):
        fitting(genotypes.Genotype("drats", genotypes.DARTS_V2.cells))
    with pytest.raises(ValueError, match=r"no option 'skip_conect'\. Did you mean 'skip_connect'"):
        fitting(
            genotypes.Genotype(
                "darts", {kind: [("skip_conect", 0, 2), ("none", 1, 2)] for kind in ("normal", "reduce")}
            )
        )
