"""`kerasnas doctor`: its findings of a machine that is well, and of one that is not."""

import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from kerasnas import cli
from kerasnas.diagnostics import doctor
from kerasnas.diagnostics.doctor import DoctorConfig

LOSSES = [1.0, 0.9]


@pytest.fixture
def processes(monkeypatch, tmp_path):
    """A function that has every process of checks run this shell script instead of Python."""

    def use(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(path))

    return use


def rows(text):
    """Name -> (state, what was said) of the rows of checks."""
    lines = [line for line in text.splitlines() if line.startswith("  ")]
    return {line[2:16].strip(): (line[16:24].strip(), line[24:].strip()) for line in lines}


def test_all_is_well(processes, capsys):
    # The distribution, then the names of the checks.
    answer = r"doctor: {\"name\": \"$name\", \"right\": true, \"text\": \"fine\"}"
    processes(f'shift 3; for name in "$@"; do echo "{answer}"; done')
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    found = rows(text)
    assert [name for name in found if found[name][0]] == list(doctor.CHECKS)
    assert {found[name] for name in doctor.CHECKS} == {("ok", "fine")}
    assert found["backend"] == ("", "tensorflow")
    assert "keras 3." in found["versions"][1] and "tensorflow 2." in found["versions"][1]
    assert text.splitlines()[-1] == "Verdict: all 5 checks passed."


def test_process_that_dies_is_reported_with_what_it_reached(processes, capsys):
    """XLA and drivers abort rather than raise."""
    processes(
        'echo \'doctor: {"name": "devices", "right": true, "text": "cpu:0"}\'; '
        "echo 'F0000 literal.cc:758] Check failed: 8 vs. 144' >&2; echo '@ 0x7f' >&2; kill -ABRT $$"
    )
    assert cli.main(["doctor"]) == 2
    out, err = capsys.readouterr()
    found = rows(out)
    assert found["devices"] == ("ok", "cpu:0")
    state, said = found["distribution"]
    assert state == "FAILED" and "signal SIGABRT" in said and "Check failed: 8 vs. 144" in said and "0x7f" not in said
    assert found["search step"] == found["XLA"] == ("FAILED", "not reached")
    assert "4 of 5 checks failed: distribution, search step, XLA, two replicas" in err and "bug report" in err
    assert "Verdict" not in out


@pytest.mark.slow
def test_process_that_hangs_ends(processes):
    processes("exec sleep 60")
    with pytest.raises(ValueError, match="5 of 5 checks failed"):
        doctor.examine(DoctorConfig(timeout=1), log=print)


def test_checks_of_this_process(monkeypatch, capsys):
    """They raise where something is wrong, and `answer` hands it on."""
    assert "cpu:0" in doctor.devices("auto").lower()
    assert doctor.chosen_distribution("cpu").endswith('("cpu")')
    results = {False: (LOSSES, 1.0, 0.1), True: ([1.0, 0.9001], 2.0, 0.1)}
    monkeypatch.setattr(doctor, "_search", results.get)
    monkeypatch.setattr(sys, "argv", ["-c", "gpu", "search step", "XLA", "distribution"])
    doctor.answer()
    well, apart, missing = capsys.readouterr().out.splitlines()
    assert '"right": true' in well and "after 1.0 s, then 100.0 ms a step" in well
    assert '"right": false' in apart and "1.1e-04 apart" in apart
    assert '"right": false' in missing and "There is no GPU" in missing
    results[True] = ([1.0, np.nan], 2.0, 0.1)
    with pytest.raises(RuntimeError, match="nan apart"):
        doctor.xla("auto")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_this_machine_is_well(backend):
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "kerasnas", "doctor"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(done.stdout)
    assert found["backend"] == ("", backend)
    assert [found[name][0] for name in doctor.CHECKS] == ["ok"] * 5
    assert "apart" in found["XLA"][1] and "from one device's" in found["two replicas"][1]
