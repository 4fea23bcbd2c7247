"""The start of the command line: quick, and without TensorFlow's notes of its own."""

import contextlib
import os
import resource
import subprocess
import sys

import pytest

from kerasnas import cli
from kerasnas.cli.quiet import _NOISE


def run(*command, **environment):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(command, capture_output=True, text=True, env={**cleared, **environment}, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def kerasnas(*arguments, **environment):
    return run(sys.executable, "-m", "kerasnas", *arguments, **environment)


@pytest.mark.parametrize("arguments", [["--help"], ["-V"], ["serach"], ["search", "--help=all"], ["completion", "zsh"]])
def test_help_completion_version_and_typos_take_a_moment(arguments):
    # One of three at most: 0.07 s of an idle machine; 5 with TensorFlow, and lines of its own.
    runs = (kerasnas(*arguments) for _ in range(3))
    done = next((done for done, seconds in runs if seconds < 0.4), None)
    assert done is not None and done.stderr.count("\n") == (1 if arguments == ["serach"] else 0)


@pytest.mark.parametrize(("closed", "said"), [("2>&-", ("why", "")), (">&-", ("", "why")), (">&- 2>&-", ("", ""))])
def test_closed_streams_are_answered(closed, said):
    code = "import os; from kerasnas import cli; cli._open_closed_streams(); cli.quieten(); print(end='', flush=True); "
    code += "raise SystemExit(cli._fail('why') if os.open(os.devnull, os.O_RDONLY) > 2 else 3)"
    done, _ = run("sh", "-c", f'exec "{sys.executable}" -c "{code}" {closed}')
    expected = tuple(f"kerasnas: {one}\n" if one else "" for one in said)
    assert (done.returncode, (done.stdout, done.stderr)) == (2, expected)


def test_a_reader_that_has_gone_ends_nothing():
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as gone, contextlib.redirect_stdout(gone):
        assert cli.main(["search", "--help"]) == 0
        gone.write("what Python flushes at its exit")


def test_importing_the_package_imports_no_framework():
    code = "import sys, kerasnas; dir(kerasnas); print([m for m in ('keras', 'tensorflow', 'jax') if m in sys.modules])"
    done, _ = run(sys.executable, "-c", code)
    assert done.stdout == "[]\n" and done.stderr == ""


def test_names_are_found_when_they_are_asked_for():
    import kerasnas

    assert kerasnas.DARTSSpace is kerasnas.spaces.DARTSSpace and kerasnas.strategies is not None
    assert set(kerasnas.__all__) <= set(dir(kerasnas))
    with pytest.raises(AttributeError, match="has no attribute 'DARTSpace'"):
        kerasnas.DARTSpace  # noqa: B018


@pytest.mark.slow
def test_a_command_shows_no_notes(tmp_path):
    done, _ = kerasnas("plot", "--genotype=DARTS_V2", f"--output_dir={tmp_path}")
    assert done.returncode == 0 and "normal" in done.stdout
    # matplotlib may say that it builds its cache of fonts
    assert [line for line in done.stderr.splitlines() if "Matplotlib" not in line] == []


def test_what_is_no_note_is_passed_on_also_at_a_crash():
    code = (
        "import os, sys; from kerasnas.cli.quiet import quieten; quieten()\n"
        "os.write(2, b'I0000 00:00:1795665791.068241    5154 port.cc:153] oneDNN custom operations are on.\\n')\n"
        "os.write(2, b'E0000 00:00:1795727588.316786   12870 util.cc:131] oneDNN supports DT_BOOL only on X.\\n')\n"
        "os.write(2, b'E0000 00:00:1795665791.068241    5154 kernel.cc:15] no kernel\\nlast words')\n"
        "print('of Python', file=sys.stderr)\n"
        "os.abort()"
    )
    done, _ = run(sys.executable, "-c", code)
    assert done.returncode < 0
    assert sorted(done.stderr.replace("last words", "last words\n").split("\n")) == sorted(
        ["E0000 00:00:1795665791.068241    5154 kernel.cc:15] no kernel", "of Python", "last words", ""]
    )
    shown, _ = run(sys.executable, "-c", code, TF_CPP_MIN_LOG_LEVEL="0")
    assert "oneDNN custom" in shown.stderr  # who asks for them gets them


def test_which_lines_are_notes():
    notes = [
        b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        b"I0000 00:00:1.2    9 cpu_feature_guard.cc:227] This TensorFlow binary is optimized",
        b"To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow",
        b"E0000 00:00:1.2    9 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error",
        b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
        b"fully_quantize: 0, inference_type: 6, input_inference_type: FLOAT32, output_inference_type: FLOAT32",
        b"2026-11-25 10:00:00.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on",
    ]
    assert all(map(_NOISE.match, notes))
    for line in (b"Killed", b"E0000 00:00:1.2    9 op_kernel.cc:5] OOM", b"F0000 00:00:1.2 9 a.cc:1] Check failed: x"):
        assert not _NOISE.match(line)
