"""The cost of a search step: the count of its arithmetic, its timing, and what is concluded from them."""

import keras
import numpy as np
import pytest

from kerasnas import BilevelTrainer, DARTSSpace, MixedOp
from kerasnas.cost.counting import macs
from kerasnas.diagnostics import step_timing
from kerasnas.diagnostics.step_timing import (
    StepTiming,
    TimingConfig,
    matmul_peak,
    measure,
    measure_step,
    search_seconds,
    step_flops,
)
from kerasnas.relaxations.base import is_alphas


# Arithmetic ----------------------------------------------------------------------------------------------
def test_flops_of_a_tiny_supernet_are_those_counted_by_hand():
    """One reduction cell of 4 filters on 8 x 8 pixels, whose one node reads both inputs at stride 2."""
    primitives = ["none", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_5x5"]
    space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=primitives)
    supernet = space.build_supernet(input_shape=(8, 8, 1), num_classes=3)
    before, after = 8 * 8, 4 * 4  # pixels
    stem = before * 9 * 1 * 6
    preprocess = before * 6 * 4
    skip = after * 4 * (2 + 2)  # a factorized reduction: each half of the filters reads a quarter of the pixels
    sep_conv = after * (9 * 4 + 4 * 4) * 2
    dil_conv = after * (25 * 4 + 4 * 4)
    dense = 4 * 3 + 3
    assert 2 * macs(supernet) == 2 * (stem + 2 * preprocess + 2 * (skip + sep_conv + dil_conv) + dense)


@pytest.mark.parametrize("strides", [1, 2])
def test_each_edge_counts_and_no_zero_between_edges(strides):
    """Edges computed side by side multiply zeros (a block-diagonal kernel), which are no part of the work."""
    primitives = ["skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"]

    def flops(copies):
        inputs = keras.Input((7, 7, 8))
        return 2 * macs(keras.Model(inputs, MixedOp(primitives, 8, strides, copies=copies)(inputs)))

    assert flops(3) == 3 * flops(1) > 0


def test_layers_are_counted_at_the_size_at_which_they_run(monkeypatch):
    """28 pixels halve to 14, 7 and 4: the shapes that `build` gets must be those that `call` receives."""
    space = DARTSSpace(filters=4, num_cells=3, num_nodes=1, stem_strides=2)
    supernet = space.build_supernet(input_shape=(28, 28, 1), num_classes=3)
    built, received = {}, {}

    def recording(layer):
        call = layer.call

        def recorded(inputs, *arguments, **options):
            received[layer.path] = tuple(inputs.shape[1:])
            return call(inputs, *arguments, **options)

        return recorded

    for layer in supernet._flatten_layers():
        if any(len(v.shape) > 1 and not is_alphas(v) for v in layer._trainable_variables):
            built[layer.path] = tuple(layer.get_build_config()["input_shape"][1:])
            monkeypatch.setattr(layer, "call", recording(layer))
    supernet(np.zeros((1, 28, 28, 1), "float32"))
    assert len(built) > 20 and {shape[0] for shape in built.values() if len(shape) == 3} == {28, 14, 7, 4}
    assert received == built


def test_flops_of_a_step_follow_the_convention():
    supernet = DARTSSpace(filters=2, num_cells=1, num_nodes=1).build_supernet(input_shape=(8, 8, 1), num_classes=3)
    forward = 2 * macs(supernet)
    assert step_flops(supernet, 16, "first_order") == 16 * (3 + 2) * forward
    assert step_flops(supernet, 16, "unrolled") == step_flops(supernet, 16, "finite_difference") == 16 * 13 * forward
    assert step_flops(supernet, 16, "own") is None


def test_matmul_peak_is_a_rate():
    assert 1e6 < matmul_peak(sizes=(64, 128), repeats=2) < 1e17


# Time ----------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(("warmup", "frozen"), [(0, 0), (1, 2), (9, 4)])
def test_steps_are_timed_over_as_many_epochs_as_needed(warmup, frozen):
    """12 images of a half in batches of 4: 3 steps an epoch, of which the very first is timed apart."""
    space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
    searches = []

    def build():
        supernet = space.build_supernet(input_shape=(8, 8, 1), num_classes=3)
        searches.append(BilevelTrainer(supernet, architecture_warmup_epochs=warmup))
        searches[0].compile()
        return searches[0]

    x, y = np.random.default_rng(0).random((24, 8, 8, 1)).astype("float32"), np.arange(24) % 3
    timing = measure_step(build, x, y, batch_size=4, steps=4)
    assert (len(timing.wall_s), len(timing.cpu_s), len(timing.warmup_s)) == (4, 4, frozen)
    assert all(seconds > 0 for seconds in (*timing.wall_s, *timing.cpu_s, *timing.warmup_s, timing.build_s))
    assert timing.first_step_s > max(timing.wall_s)  # it was traced
    assert timing.peak_memory_gib is None or timing.peak_memory_gib > 0.05
    search = searches[0]
    assert float(search.architecture_active) == 1.0  # what was timed last is the whole step
    assert int(search.optimizer.iterations) == (4 + 1) + (frozen + 1 if warmup else 0)


@pytest.mark.parametrize(
    ("warmup_s", "search", "steps"),
    [
        ((), (1, 3, 1), 3 * 0.5),  # of a warm-up of one step, which is traced, nothing is known: the whole step stands
        ((0.25, 0.125), (8, 2, 5), 16 * 0.1875),  # all within the warm-up
        ((0.25, 0.125), (8, 7, 5), 40 * 0.1875 + 16 * 0.5),
    ],
)
def test_seconds_of_a_search_are_those_of_its_steps(warmup_s, search, steps):
    timing = StepTiming(1.0, 2.0, wall_s=(0.5,), cpu_s=(0.5,), warmup_s=warmup_s, peak_memory_gib=None)
    assert search_seconds(timing, *search) == 1.0 + 2.0 + steps


@pytest.mark.slow
def test_printed_figures_follow_from_the_measured_ones(monkeypatch):
    timing = StepTiming(3.0, 20.0, (0.3, 0.1, 0.2), (0.4, 0.4, 0.5), (0.1,), 1.5)
    supernet = DARTSSpace(8, 3, 3, stem_strides=2).build_supernet((28, 28, 1), 10)
    flops = 32 * 5 * 2 * macs(supernet)

    def measured(build, x, y, batch_size, steps, validation_split):
        assert (len(x), len(y), batch_size, steps, validation_split) == (6000, 6000, 32, 3, 0.5)
        assert [weight.shape for weight in build().supernet.weights] == [weight.shape for weight in supernet.weights]
        return timing

    monkeypatch.setattr(step_timing, "measure_step", measured)
    monkeypatch.setattr(step_timing, "matmul_peak", lambda: flops)  # such that the share is one in step / 1 s
    lines = []
    measure(TimingConfig(steps=3), log=lines.append)
    text = "\n".join(lines)
    for words in (
        "200.0 ms, median of 3, from 100.0 to 300.0",
        "400.0 ms",
        "320, both halves",  # 64 images in 0.2 s
        f"{flops / 1e9:.3g} GFLOP: 3 forward passes for the weights, 2 for the alphas",
        "500.0% of",  # `flops` in 0.2 s where the peak takes 1 s
        "3.0 s, then 20.0 s",
        "1.50 GiB",
        "12 epochs of 93 steps takes about 3 min 38 s",  # 23 + 3 x 93 x 0.1 + 9 x 93 x 0.2
    ):
        assert words in text, text


def test_unknown_figures_are_said_to_be_unknown(monkeypatch):
    timing = StepTiming(3.0, 20.0, (0.2,), (0.4,), (), None)
    monkeypatch.setattr(step_timing, "measure_step", lambda build, *arguments: build() and timing)
    monkeypatch.setattr(step_timing, "matmul_peak", lambda: 1e11)
    monkeypatch.setattr(step_timing, "ALPHA_STEP", {})
    lines = []
    measure(TimingConfig(filters=2, num_cells=1, num_nodes=1, architecture_warmup_epochs=0), log=lines.append)
    rows = {line[:28].strip(): line[28:].strip() for line in lines[1:-1]}
    unknown = ("step with frozen alphas", "work of a step", "share of the matmul peak", "peak memory of the process")
    assert [name for name, value in rows.items() if value == "-"] == list(unknown)
