"""Recorded operations: all that a function executes, with the sizes of their tensors and times within its own."""

import os
import time
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from kerasnas.backend import recorded_operations, use_one_core
from kerasnas.backend.tensorflow_internals import traced_once
from kerasnas.backend.tensorflow_recording import _operations
from kerasnas.diagnostics.operation_work import plain


def recorded(make, *arguments, runs=1):
    """The operations of some runs of a function that `make` makes, and the seconds of those runs."""
    with recorded_operations() as recording:
        function = make()
        function(*arguments)
        recording.start()
        begin = time.perf_counter()
        for _ in range(runs):
            function(*arguments)
        seconds = time.perf_counter() - begin
        recording.stop()
        function(*arguments)
    return recording.operations, seconds


def test_operations_have_their_runs_and_the_sizes_of_their_tensors():
    """Those of a function within the function too."""
    kernel = tf.Variable(np.ones((3, 3, 2, 4), "float32"))

    def make():
        body = traced_once(lambda x: tf.nn.conv2d(x, kernel.value(), 2, "SAME"))
        return tf.function(lambda x, y: (tf.nn.softplus(body(x)), tf.reduce_sum(y, -1), tf.einsum("ab,ab->a", y, y)))

    operations, _ = recorded(make, tf.ones((5, 8, 6, 2)), tf.ones((7, 3), tf.float64), runs=3)
    found = {plain(one.kind): one for one in operations}
    assert {"Conv2D", "Softplus", "Sum"} <= found.keys() and {one.runs for one in operations} == {3}
    conv, total = found["Conv2D"], found["Sum"]
    assert conv.operands == (((5, 8, 6, 2), 4), ((3, 3, 2, 4), 4)) and conv.results == (((5, 4, 3, 4), 4),)
    assert total.operands[0] == ((7, 3), 8) and total.results == (((7,), 8),)
    assert found["ReadVariableOp"].operands == (((0,), 0),), "the variable behind a handle has no size"
    assert found["Einsum"].equation == "ab,ab->a"


def test_times_sum_to_most_of_the_functions_own_time():
    threads = 1 if os.environ.get("TF_NUM_INTEROP_THREADS") == "1" else os.cpu_count()

    @tf.function
    def function(x):
        for _ in range(20):
            x = tf.nn.softplus(tf.matmul(x, x)) / 100
        return x

    operations, seconds = recorded(lambda: function, tf.ones((384, 384)), runs=5)
    assert 0.5 * seconds < sum(one.seconds for one in operations) < threads * seconds
    assert Counter(plain(one.kind) for one in operations) >= Counter({"MatMul": 20, "Softplus": 20})


def test_gradients_of_a_bias_are_sized_where_onednn_fuses_them():
    """oneDNN, which the default tests do without, makes one operation of the gradients of a kernel and a bias."""
    with tf.Graph().as_default() as graph:
        x, dy, bias = (tf.compat.v1.placeholder(tf.float32, shape) for shape in ((2, 8, 8, 3), (2, 8, 8, 4), (4,)))
        variable = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=(4,))
        tf.raw_ops.AssignSubVariableOp(resource=variable, value=bias)
        lengths = tf.constant([3, 3, 3, 4])
    kind, definition = "_MklNativeConv2DBackpropFilterWithBias", graph.as_graph_def()
    inputs = [one.op.name for one in (x, lengths, dy)]
    fused = definition.node.add(name="fused", op=kind, input=inputs)
    for name, value in (("T", tf.compat.v1.AttrValue(type=1)), ("padding", tf.compat.v1.AttrValue(s=b"SAME"))):
        fused.attr[name].CopyFrom(value)
    fused.attr["strides"].list.i.extend([1, 1, 1, 1])
    (update,) = (node for node in definition.node if node.op == "AssignSubVariableOp")
    update.input[1] = "fused:1"
    (found,) = _operations([definition], [("fused", kind, 1.0)])
    assert found.operands[2] == ((2, 8, 8, 4), 4) and found.results[0] == ((3, 3, 3, 4), 4)


def test_of_equal_names_those_of_the_largest_graph_are_sized():
    graphs = []
    for length in (3, 4):
        with tf.Graph().as_default() as graph:
            x = tf.compat.v1.placeholder(tf.float32, (length,))
            for _ in range(length):
                x = tf.raw_ops.Neg(x=x)
            tf.raw_ops.Relu(features=x, name="relu")
        graphs.append(graph.as_graph_def())
    for given in (graphs, graphs[::-1]):
        (found,) = _operations(given, [("relu", "Relu", 1.0)])
        assert found.results == (((4,), 4),)


def test_nothing_is_recorded_before_the_start_and_after_the_end():
    with recorded_operations() as recording:
        tf.function(lambda x: tf.matmul(x, x))(tf.ones((64, 64)))
        recording.start()
        recording.stop()
        tf.function(lambda x: tf.matmul(x, x))(tf.ones((64, 64)))
    assert recording.operations == []


def test_a_failure_ends_the_recording():
    with pytest.raises(KeyError), recorded_operations() as recording:
        recording.start()
        raise KeyError
    with tf.profiler.experimental.Profile(""):  # which TensorFlow refuses while another one is open
        pass


def test_another_profiler_is_named():
    refused = pytest.raises(ValueError, match="profiler is at work already, or off: unset TF_DISABLE_PROFILING")
    with tf.profiler.experimental.Profile(""), recorded_operations() as recording, refused:
        recording.start()


def test_one_core_or_a_clear_error(monkeypatch):
    tf.ones(1)  # TensorFlow has started
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "1")
    use_one_core()
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "2")
    with pytest.raises(ValueError, match=r"of one core.* Set TF_NUM_INTRAOP_THREADS=1"):
        use_one_core()


def test_jax_has_no_operations():
    pytest.importorskip("jax")
    from kerasnas.backend import jax

    with pytest.raises(ValueError, match="needs Keras' TensorFlow backend"):
        jax.use_one_core()
