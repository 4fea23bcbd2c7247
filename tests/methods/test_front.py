"""Front: races within smaller and smaller limits, measured in Keras and in 8-bit integers."""

import dataclasses
import json

import numpy as np
import pytest

from kerasnas import cli, datasets, methods
from kerasnas.cost import COSTS
from kerasnas.files.stages import Stages
from kerasnas.methods import RaceConfig, front
from kerasnas.methods.front import FrontConfig, recommended
from kerasnas.methods.race.limits import least_parameters
from kerasnas.racing.portfolio import named_networks
from kerasnas.racing.race import stage
from kerasnas.runs.overview import list_runs
from kerasnas.spaces import MacroSpace
from tests.kit import count_steps, untraced
from tests.methods.race.test_running import images


def test_each_network_has_an_equal_share_of_the_budget_and_all_other_settings():
    config = FrontConfig(minutes=12.0, networks=4, max_ram_kb=64.0, seed=3, max_parameters=50_000)
    one = RaceConfig(
        minutes=3.0, max_ram_kb=64.0, seed=3, max_parameters=50_000, test_time_augmentation=False, ensemble=1
    )
    assert config.race() == one and not config.test_time_augmentation
    assert config.race(max_parameters=900) == dataclasses.replace(one, max_parameters=900)
    assert config.race(max_ram_kb=32.0, max_flash_kb=50.0) == dataclasses.replace(
        one, max_ram_kb=32.0, max_flash_kb=50.0
    )
    assert config.race(max_ram_kb=65.0) == one  # as a file measures a little more than was predicted
    assert config.budget().seconds == 180 and FrontConfig(networks=5).budget().seconds == 60
    assert (
        FrontConfig(cpu_minutes=6.0, networks=3).race().cpu_minutes == 2 and FrontConfig(cpu_minutes=6.0).budget().cpu
    )


def test_a_network_with_no_file_in_8_bit_integers_limits_no_other():
    assert front._device({"parameters": 900}) == {}


def test_the_smallest_network_of_a_front_is_one_that_races(monkeypatch):
    count_steps(monkeypatch)
    config = RaceConfig()
    data = datasets.Dataset("small", *(np.zeros((60, 8, 8, 1), "float32"), np.arange(60) % 3) * 2, tuple("abc"))
    least = least_parameters(config, data)
    space = MacroSpace.for_data((8, 8, 1), 3, 60)
    cost = COSTS["parameters"](space, (8, 8, 1), 3).cost
    assert min(map(cost, named_networks(space).values())) == least


def network(parameters, wrong):
    return {"parameters": parameters, "scores": [float(sample not in wrong) for sample in range(100)]}


def test_the_smallest_within_a_standard_error_of_the_best_is_recommended():
    best, near, far = network(900, range(10)), network(300, range(2, 13)), network(100, range(19))
    assert recommended([best, near, far]) == 1  # 1 point behind with an error of 1.7, 9 points with one of 2.9
    assert recommended([near, best]) == 0 and recommended([best, far]) == 0


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A front of two networks on a clock that counts, interrupted before the second."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("front") / "run"
    (x, y), (x_test, y_test) = images(120, rng), images(60, rng)
    np.savez(folder.parent / "rows.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    with pytest.MonkeyPatch.context() as patch, untraced():
        count_steps(patch, first=4, known=["cnn"])
        patch.setattr(stage, "TIMED", 4)
        command = ["search", f"{folder.parent}/rows.npz", "--method=front", "--networks=2", "--cpu_minutes=1.4"]
        command += ["--candidates=1", "--max_parameters=12000", "--initializer=none", f"--output_dir={folder}"]
        patch.setattr(front, "_measured", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        assert cli.main(command) == 130
        assert (folder / "result.json").exists() and list_runs(folder).endswith("interrupted")
    with pytest.MonkeyPatch.context() as patch, untraced():
        count_steps(patch, first=4, known=["cnn"])
        patch.setattr(stage, "TIMED", 4)
        trained = Stages(folder).stage("searched")
        lines = []
        methods.resume(folder, lines.append)
        assert Stages(folder).stage("searched") == trained  # the first network is not trained again
        return folder, lines


def test_a_front_resumes_with_the_network_that_is_missing_and_ends_in_a_table_and_a_page(finished):
    folder, lines = finished
    first, second = Stages(folder).stage("front")["networks"]
    assert first["folder"] == "." and second["folder"] == f"front/{round(first['parameters'] / 2)}"
    assert second["parameters"] <= first["parameters"] / 2
    settings = json.loads((folder / second["folder"] / "result.json").read_text())["settings"]
    assert (settings["max_flash_kb"], settings["max_ram_kb"]) == (first["flash"] / 1000, first["memory"] / 1000)
    assert second["flash"] <= first["flash"] and second["memory"] <= first["memory"]
    for one in (first, second):
        place = folder / one["folder"]
        result = json.loads((place / "result.json").read_text())
        assert result["searched"]["parameters"] == one["parameters"]
        assert result["searched"]["test_accuracy"] == pytest.approx(one["score"]) == np.mean(one["scores"])
        assert one["flash"] == (place / "model-int8.tflite").stat().st_size and one["memory"] > 0
        assert one["int8"] == pytest.approx(one["score"], abs=0.05)
    assert "Recommended: " in lines[-1] and second["folder"] in lines[-1]
    page = (folder / "front.html").read_text()
    assert page.count("<circle") == 4 and second["folder"] in page and "<script" not in page


def test_a_finished_front_is_reported_again(finished):
    folder, _ = finished
    assert list_runs(folder).endswith("finished")
    lines, before = [], (folder / "stages" / "front.json").stat().st_mtime_ns
    methods.resume(folder, lines.append)
    assert "Recommended: " in lines[-1] and (folder / "stages" / "front.json").stat().st_mtime_ns == before


def test_networks_is_a_flag_of_a_front_alone(capsys, tmp_path):
    assert cli.main(["search", "--networks=3", f"--output_dir={tmp_path / 'run'}"]) == 2
    assert "--networks is a flag of a front, and this is a race. Add --method=front." in capsys.readouterr().err
