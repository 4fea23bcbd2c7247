"""What a run tells while it works: the bar on a terminal, lines elsewhere, the time that is left."""

import io
import time

import keras
import numpy as np
import pytest

from kerasnas.runs import Progress
from kerasnas.runs import progress as progress_module
from kerasnas.runs.progress import EpochCount, bar_text, progress_of


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(stream):
    """What stands on the terminal in the end, line by line."""
    lines = []
    for line in stream.getvalue().split("\n"):
        text = ""
        for part in line.split("\r"):
            text = part + text[len(part) :]
        lines.append(text.rstrip())
    return lines


def test_bar_stands_below_the_lines_and_is_gone_at_the_end(monkeypatch):
    monkeypatch.setattr("kerasnas.runs.progress._EVERY", 0.01)
    stream, share = Terminal(), iter(np.linspace(0, 1, 10_000))
    progress = Progress(stream=stream)
    assert progress.bar and progress.verbosity == 0
    progress.phase("race")
    with progress.following(lambda: (next(share), 61.0)):
        progress("first")
        until = time.monotonic() + 20
        while "race" not in stream.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
        progress("second, shorter than the bar")
    progress.conclude("what came out")
    assert "] " in stream.getvalue() and "1 min 1 s left  race" in stream.getvalue()
    assert shown(stream) == ["first", "second, shorter than the bar", "what came out", ""]


@pytest.mark.parametrize("mode", ["auto", "bar", "lines"])
def test_lines_where_there_is_no_terminal(mode):
    stream = io.StringIO()
    progress = Progress(mode, stream=stream)
    with progress.following(lambda: pytest.fail("nothing is drawn")):
        progress("first")
    progress.conclude("last")
    assert stream.getvalue() == "first\nlast\n" and progress.verbosity == 2


def test_no_silence_lasts_longer_than_half_a_minute(monkeypatch):
    assert progress_module._SILENCE < 30
    monkeypatch.setattr(progress_module, "_SILENCE", 0.2)
    lines = []
    progress = progress_of(lambda line: lines.append((time.monotonic(), line)))
    progress.phase("training", lambda: "cnn, 12 steps, loss 0.500")
    with progress.following(lambda: (0.25, 61.0)):
        for _ in range(5):  # these are no silence
            progress("first")
            time.sleep(0.05)
        until = time.monotonic() + 20
        while len(lines) < 7 and time.monotonic() < until:
            time.sleep(0.01)
        progress.phase("report")
        while len(lines) < 8 and time.monotonic() < until:
            time.sleep(0.01)
    at, said = zip(*lines[4:8], strict=True)
    assert said == ("first", *["  25 % done, 1 min 1 s left: cnn, 12 steps, loss 0.500"] * 2, said[3])
    assert said[3] == "  25 % done, 1 min 1 s left: report" and min(np.diff(at)) >= 0.19


def test_less_and_nothing():
    for options, text in (({"mode": "none"}, "last\n"), ({"quiet": True}, ""), ({"mode": "bar", "quiet": True}, "")):
        stream = Terminal()
        progress = Progress(**options, stream=stream)
        with progress.following(lambda: pytest.fail("nothing is drawn")):
            progress("first")
        progress.conclude("last")
        assert stream.getvalue() == text and progress.verbosity == 0
    with pytest.raises(ValueError, match="Did you mean 'lines'"):
        Progress("line")


def test_any_function_is_told_lines():
    lines = []
    progress = progress_of(lines.append)
    progress("first")
    progress.conclude("last")
    assert lines == ["first", "last"] and progress_of(progress) is progress


@pytest.mark.parametrize("width", [20, 40, 80])
@pytest.mark.parametrize(("share", "left"), [(0.0, None), (0.5, 10_000.0), (1.0, 0.0), (1.3, 0.0)])
def test_bar_is_one_line(width, share, left):
    text = bar_text(share, left, "training", width)
    assert len(text) <= width and "\n" not in text
    inner = text[1 : text.index("]")]
    assert inner == "=" * int(len(inner) * min(share, 1.0)) + " " * (len(inner) - int(len(inner) * min(share, 1.0)))
    assert "100 %" in text if share >= 1 else f"{100 * share:.0f} %" in text


def test_epochs_of_a_training_are_counted():
    now, lines = [0.0], []
    count = EpochCount({"search": 2, "training-a": 3, "training-b": 3}, lines.append, clock=lambda: now[0])
    states = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            now[0] += 5.0
            states.append(count.state())

    def train(name, epochs):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        x = np.zeros((4, 2))
        model.fit(x, x[:, 0], batch_size=2, epochs=epochs, verbose=0, callbacks=[count.callback(name), Clock()])

    assert count.at_work() == ""
    train("search", 1)
    assert count.at_work() == "search, epoch 1 of 2, loss 0.000"
    assert states[0] == (0.5 / 8, None)  # half an epoch of eight, and nothing is known of the time
    assert count.state() == (1 / 8, 70.0) and lines == ["  at most about 1 min 10 s left for everything"]
    count.finish("search")  # a guard stopped it
    train("training-a", 3)
    assert len(lines) == 2  # once for each kind
    assert count.state() == (pytest.approx(5 / 8), pytest.approx(30.0))
    count.finish("training-b")
    assert count.state() == (1.0, 0.0)
