"""Completion of the shell: the scripts know every command, flag and value, and bash completes by its own."""

import shutil
import subprocess

import pytest

from kerasnas import cli
from kerasnas.export.formats import FORMATS
from kerasnas.spaces import SPACES


@pytest.fixture(scope="module")
def scripts():
    return {shell: cli.completion.script(shell, cli.COMMANDS) for shell in cli.completion.SHELLS}


def complete(script, *words):
    """What bash offers for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in words)
    code = (
        f"{script}\nCOMP_WORDS=({quoted})\nCOMP_CWORD={len(words) - 1}\n_kerasnas\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="There is no bash here.")
def test_bash(scripts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images.npz").write_text("")
    bash = scripts["bash"]
    assert complete(bash, "kerasnas", "") == [*cli.COMMANDS, "help"]
    assert complete(bash, "kerasnas", "re") == ["retrain", "resume", "report"]
    assert complete(bash, "kerasnas", "search", "--max_p") == ["--max_parameters="]
    assert "--minutes=" not in complete(bash, "kerasnas", "predict", "--")
    assert complete(bash, "kerasnas", "search", "--space", "=") == list(SPACES)
    assert complete(bash, "kerasnas", "search", "--space", "=", "dar") == ["darts"]
    assert complete(bash, "kerasnas", "search", "--seed=1", "--dataset", "=", "ima") == ["images.npz"]
    assert complete(bash, "kerasnas", "export", "run", "--format", "=", "o") == ["onnx"]
    assert complete(bash, "kerasnas", "completion", "--shell", "=", "z") == ["zsh"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_flag_is_known(scripts, shell):
    prefix = "-l " if shell == "fish" else "--"
    for name, command in cli.COMMANDS.items():
        if shell == "fish":
            text = "\n".join(line for line in scripts[shell].splitlines() if f"from {name}'" in line) + " "
        else:
            text = next(line for line in scripts[shell].splitlines() if line.strip().startswith(f"{name}) "))
        for flag in command.flags():
            assert f"{prefix}{flag}{' ' if shell == 'fish' else '='}" in text, f"{name} --{flag}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_can_be_read_by_its_shell(scripts, shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"There is no {shell} here.")
    (tmp_path / "script").write_text(scripts[shell])
    subprocess.run([shell, "-n", str(tmp_path / "script")], check=True, capture_output=True)


def test_command(scripts, capsys):
    assert cli.main(["completion", "fish"]) == 0
    assert capsys.readouterr().out == scripts["fish"]


def test_formats_that_are_offered_are_those_there_are():
    assert cli.COMMANDS["export"].known_values()["format"] == list(FORMATS)
