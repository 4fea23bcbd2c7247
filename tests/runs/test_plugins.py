"""A user's own modules: imported for a command, recorded in its run, and reported in one line where they fail."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from kerasnas import cli
from kerasnas.methods import SearchConfig
from kerasnas.runs import plugins
from kerasnas.search import STRATEGIES
from tests.kit import save_noise

MODULE = """
    from kerasnas.primitives import PRIMITIVES
    from kerasnas.spaces import SPACES, NASBench201Space

    PRIMITIVES.register("my_skip", PRIMITIVES["skip_connect"])

    @SPACES.register("mine")
    class Mine(NASBench201Space):
        name = "mine"
"""
FLAGS = [
    *("--space=mine", "--primitives=none,my_skip,nor_conv_1x1", "--num_nodes=1", "--filters=2", "--num_cells=1"),
    *("--batch_size=16", "--epochs=1", "--retrain_filters=2", "--retrain_cells=1", "--retrain_batch_size=16"),
    *("--retrain_epochs=1", "--random_genotypes=0", "--shortlist=0"),
]


def write(path, text):
    path.write_text(textwrap.dedent(text))
    return path


def kerasnas(*arguments, folder):
    """The installed command: Python's path does not hold the current folder."""
    program = "import sys; sys.path.remove(''); from kerasnas.cli import main; sys.exit(main())"
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": root},
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_space_and_primitive_of_a_module(tmp_path):
    """Found in the current folder; the run is continued from another one, without the flag."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    write(here / "my_spaces.py", MODULE)
    run, data = tmp_path / "run", save_noise(here / "tiny.npz", 32, 16)
    arguments = ("search", "--import=my_spaces", *FLAGS, f"--dataset={data}", f"--output_dir={run}")
    done = kerasnas(*arguments, folder=here)
    assert done.returncode == 0, done.stderr
    record = json.loads((run / "result.json").read_text())
    assert record["genotype"]["space"] == "mine"
    assert f"--import={here / 'my_spaces.py'}" in record["command"]
    done = kerasnas("resume", f"--output_dir={run}", folder=there)
    assert done.returncode == 0 and f"report      {run / 'report.html'}" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_strategy_of_a_module_is_compared_also_in_other_processes(tmp_path, capsys):
    text = """
        from kerasnas.search import STRATEGIES
        STRATEGIES.register("again", STRATEGIES["random"])
    """
    module = write(tmp_path / "my_strategies.py", text)
    flags = ["--strategies=again", "--evaluations=2", "--seeds=2", "--workers=1", f"--output_dir={tmp_path / 'out'}"]
    assert cli.main(["benchmark", f"--import={module}", *flags]) == 0
    assert "| again |" in capsys.readouterr().out
    del sys.modules["my_strategies"]
    STRATEGIES.unregister("again")
    again = [flag.replace("--workers=1", "--executor=processes:1") for flag in flags]
    assert cli.main(["benchmark", f"--import={module}", *again]) == 0  # a process that knows nothing yet
    assert "| again |" in capsys.readouterr().out
    STRATEGIES.unregister("again")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise RuntimeError('it is\\nMonday')", ["raised RuntimeError: it is Monday", "wrong.py, line 1"]),
        ("import no_such_module_at_all", ["raised ModuleNotFoundError: No module named 'no_such_module_at_all'"]),
        ("def (", ["raised SyntaxError"]),
        ("import sys\nsys.exit(3)", ["raised SystemExit: 3", "line 2"]),
    ],
)
def test_module_that_raises(text, words, tmp_path, capsys):
    (tmp_path / "wrong.py").write_text(text)
    arguments = ["search", f"--import={tmp_path / 'wrong.py'}", f"--output_dir={tmp_path / 'run'}"]
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert all(word in error for word in words), error
    assert error.count("\n") == 1 and not (tmp_path / "run").exists()
    assert "wrong" not in sys.modules


def test_module_that_is_not_there(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert cli.main(["search", "--import=my_spcaes", "--output_dir=run"]) == 2
    error = capsys.readouterr().err
    assert f"--import=my_spcaes: there is no such module. Looked in the current folder, {tmp_path}, and in" in error
    assert cli.main(["search", "--import=absent.py", "--output_dir=run"]) == 2
    assert f"there is no such file. Looked for {tmp_path / 'absent.py'}" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"expected the name of a module, or the path of a \.py file"):
        plugins.load(["my-spaces"])
    (tmp_path / "json.py").write_text("")
    with pytest.raises(ValueError, match="another module is named 'json'"):
        plugins.load(["json.py"])


def test_installed_plugins_are_loaded_once_and_a_broken_one_is_a_warning(tmp_path, monkeypatch):
    write(tmp_path / "plugin_that_works.py", "LOADED = [1]")
    write(tmp_path / "plugin_that_fails.py", "raise RuntimeError('no')")
    information = tmp_path / "someone_elses-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: someone-elses\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        f"[{plugins.GROUP}]\nbroken = plugin_that_fails\nworking = plugin_that_works\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    plugins.load_installed.cache_clear()
    with pytest.warns(
        UserWarning, match=r"plugin 'broken' of someone-elses cannot be loaded.*RuntimeError: no"
    ) as seen:
        SearchConfig()
        SearchConfig()
    assert len([one for one in seen if "someone-elses" in str(one.message)]) == 1
    assert "plugin_that_works" in sys.modules and "plugin_that_fails" not in sys.modules
    plugins.load_installed.cache_clear()
