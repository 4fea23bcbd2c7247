"""Boards: what they hold, how long they take, and files that are none."""

import json
import math

import keras
import pytest

from kerasnas.cost.board import Board, bundled_boards
from kerasnas.cost.device import OperatorGraph
from tests.cost import mlperf_tiny

NUMBERS = {"source": "measured", "flash_kb": 64, "ram_kb": 32, "clock_mhz": 100}
CYCLES = {"convolution": 2.0, "depthwise": 3.0, "dense": 5.0, "other": 0.5, "operator": 100.0}


@pytest.fixture(scope="module")
def graph():
    x = inputs = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same")(x)  # 4 x 4 x 9 x 4 x 8
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)  # 4 x 4 x 9 x 8
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Conv2D(24, 1)(x)  # 4 x 4 x 8 x 24
    x = keras.layers.GlobalAveragePooling2D()(x)  # reads 4 x 4 x 24, writes 24
    return OperatorGraph.of(keras.Model(inputs, keras.layers.Dense(10)(x)))  # 24 x 10


def test_latency_in_closed_form(graph):
    cycles = 2 * 4608 + 3 * 1152 + 2 * 3072 + 0.5 * (384 + 24) + 5 * 240 + 5 * 100
    assert Board("own", **NUMBERS, cycles=CYCLES).latency_ms(graph) == pytest.approx(cycles / 100_000)
    apart = Board("own", **NUMBERS, cycles=CYCLES | {"pointwise": 1.0})
    assert apart.latency_ms(graph) == pytest.approx((cycles - 3072) / 100_000)
    wide = Board("own", **NUMBERS, cycles=CYCLES, lanes=16)  # 8 channels take as long as 16, 24 as 32, 10 as 16
    cycles = 2 * 2 * 4608 + 3 * 2 * 1152 + 2 * 3072 * 32 / 24 + 0.5 * (384 + 24) + 5 * 240 * 1.6 + 5 * 100
    assert wide.latency_ms(graph) == pytest.approx(cycles / 100_000)


@pytest.fixture(scope="module")
def published():
    return mlperf_tiny.networks()


@pytest.mark.parametrize(
    ("board", "a_second"),  # MLPerf Tiny 1.1, closed division, Krai, microTVM with CMSIS-NN
    [("nucleo_l4r5zi", (3.324, 2.567, 10.019, 116.212)), ("nrf5340dk", (4.286, 3.146, 13.074, 159.020))],
)
def test_published_latencies(board, a_second, published):
    for rate, (name, network) in zip(a_second, published.items(), strict=True):
        assert network.count_params() == mlperf_tiny.PARAMETERS[name]
        assert Board.named(board).latency_ms(OperatorGraph.of(network)) == pytest.approx(1000 / rate, rel=0.05)


def test_published_latencies_of_a_cortex_m7():
    """Of MobileNetV2 with CMSIS-NN (Plumerai, 2021)."""
    network = keras.applications.MobileNetV2((80, 80, 3), alpha=0.3, weights=None, classes=1000)
    assert Board.named("stm32f746").latency_ms(OperatorGraph.of(network)) == pytest.approx(129, rel=0.01)


def test_what_a_board_lacks_or_says_nothing_of(graph):
    lean = Board("own", **NUMBERS, cycles={"convolution": 2.0, "dense": 2.0}, lacks=("depthwise", "pointwise"))
    assert lean.lacking(graph) == 2 and Board("own", **NUMBERS).lacking(graph) == 0
    assert lean.latency_ms(graph) == Board("own", **NUMBERS).latency_ms(graph) == math.inf


def test_a_board_is_read_from_its_file(tmp_path, graph):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**NUMBERS, "cycles": CYCLES, "lacks": ["dense"]}))
    assert Board.named(str(path)) == Board("mine", **NUMBERS, cycles=CYCLES, lacks=("dense",))
    for name, board in bundled_boards().items():
        assert Board.named(name) is board and board.source and board.flash_kb > board.ram_kb > 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {**NUMBERS, "flash_kb": -1},
            "`flash_kb`. Expected a number above 0. Received: -1. Expected a JSON object",
        ),
        ({"ram_kb": 32}, "missing 3 required positional arguments: 'source', 'flash_kb', and 'clock_mhz'"),
        ({**NUMBERS, "speed": 3}, "unexpected keyword argument 'speed'"),
        ({**NUMBERS, "cycles": {"convolutions": 2}}, "Did you mean 'convolution'"),
        ({**NUMBERS, "cycles": {"dense": "fast"}}, "Expected a number of at least 0. Received: 'fast'"),
        ({**NUMBERS, "lacks": ["softmax"]}, "softmax"),
        ([1], "Received: list"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_board(content, message, tmp_path):
    path = tmp_path / "board.json"
    if content is not None:
        path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"board\.json is no board: ") as raised:
        Board.named(str(path))
    assert message in str(raised.value)


def test_a_name_that_no_board_has():
    with pytest.raises(ValueError, match="Did you mean 'stm32f746'"):
        Board.named("stm32f7")
