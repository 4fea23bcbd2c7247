"""Each private name of Keras and TensorFlow that the package relies on: a release that drops one fails by its name."""

import gc
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.backend.tensorflow import trainer as tensorflow_trainer
from keras.src.optimizers.base_optimizer import BaseOptimizer
from tensorflow.python.eager import context
from tensorflow.python.framework import op_callbacks
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from kerasnas.backend import keras_internals, tensorflow_internals
from kerasnas.backend.keras_internals import (
    OVERRIDDEN,
    build_metrics,
    calls_of,
    flatten_layers,
    index_of,
    leave_gradients_unreduced,
    loss_tracker,
    metrics_are_built,
    nodes_of,
    own_trainable_variables,
    seed_states,
    shapes_alone,
)
from kerasnas.backend.tensorflow_internals import (
    _PASSES,
    ConverterError,
    all_inlined,
    executed_graphs,
    frozen,
    gradient_registry,
    gradients_of_their_graphs,
    in_multi_worker_mode,
    profiled_operations,
    pruned_only,
    traced_once,
)


def nested() -> keras.Model:
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dropout(0.5, seed=1)])
    model = keras.Sequential([keras.Input((2,)), inner, keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def test_layer_flatten_layers():
    model = nested()
    kinds = [type(layer).__name__ for layer in flatten_layers(model)]
    assert kinds[0] == "Sequential", f"`Layer._flatten_layers` starts with {kinds[0]}, not with the layer itself"
    assert sorted({*kinds} - {"InputLayer"}) == ["Dense", "Dropout", "Sequential"], f"`Layer._flatten_layers`: {kinds}"
    assert kinds.count("Dense") == 2, f"`Layer._flatten_layers` does not reach each layer once: {kinds}"


def test_function_nodes_by_depth():
    inputs, shared, once = keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dense(1)
    model = keras.Model(inputs, once(shared(shared(inputs))))
    calls = calls_of(model)
    assert [operation for operation, _, _ in nodes_of(model)] == [shared, shared, once]
    assert (calls[id(shared)], calls[id(once)]) == (2, 1), (
        "`Function._nodes_by_depth` no longer has a node for each call"
    )


def test_sequential_functional():
    inner, dense = nested().layers
    first, dropout = inner.layers
    assert [operation for operation, *_ in nodes_of(inner)] == [first, dropout], "`Sequential._functional` lacks layers"
    assert nodes_of(keras.Sequential([keras.layers.Dense(1)])) == [] == nodes_of(dense)
    inputs = keras.Input((2,))
    calls = calls_of(twice := keras.Model(inputs, keras.layers.Add()([inner(inputs), inner(2 * inputs)])))
    assert calls[id(first)] == 2 and twice.count_params() == 9


def test_layer_trainable_variables():
    inner, dense = nested().layers
    assert own_trainable_variables(inner) == [], "`Layer._trainable_variables` now holds those of the layers inside"
    assert own_trainable_variables(dense) == dense.trainable_variables, "`Layer._trainable_variables` lacks its own"


def test_global_state_uninitialized_variables():
    """No variable of the context is left for the next stateless scope, and none of before is lost."""
    with keras.StatelessScope(initialize_variables=False):
        before = keras.Variable(lambda shape, dtype: keras.ops.ones(shape, dtype), shape=(2,))
    with pytest.raises(RuntimeError), shapes_alone():
        (outline := keras.layers.Dense(3)).build((None, 2))
        raise RuntimeError
    assert outline.count_params() == 9
    waiting = global_state.get_global_attribute("uninitialized_variables")
    assert [id(one) for one in waiting] == [id(before)], "Keras keeps variables without values elsewhere by now"
    with keras.StatelessScope():
        pass
    assert before.value.shape == (2,) and outline.weights[0]._value is None


def test_layer_seed_generators():
    states = [state.path for state in seed_states(nested())]
    assert len(states) == 1 and "seed_generator_state" in states[0], f"`Layer._seed_generators` have states {states}"


def test_model_loss_tracker():
    model = nested()
    model.fit(np.zeros((4, 2)), np.ones((4, 1)), verbose=0)
    tracked = float(loss_tracker(model).result())
    assert tracked == model.history.history["loss"][0], f"`Model._loss_tracker` holds {tracked}, not the loss of `fit`"


def test_model_compile_metrics():
    model = nested()
    assert not metrics_are_built(model), "`Model._compile_metrics` are built by `compile` already"
    build_metrics(model, keras.KerasTensor((None, 1)), keras.KerasTensor((None, 1)))
    assert metrics_are_built(model), "`Model._compile_metrics.build` does not make `built` true"
    model.fit(np.zeros((4, 2)), np.ones((4, 1)), verbose=0)
    assert "mae" in model.history.history, "`Model._compile_metrics` are not those that `fit` reports"
    model.compile("sgd", "mse")
    assert metrics_are_built(model), "`Model._compile_metrics` is not None without metrics"


def test_optimizer_get_variable_index():
    variables = [keras.Variable(np.zeros(size)) for size in (1, 2)]
    optimizer = keras.optimizers.SGD()
    optimizer.build(variables)
    assert [index_of(optimizer, variable) for variable in variables[::-1]] == [1, 0]


def test_optimizer_all_reduce_sum_gradients():
    seen = []
    optimizer = keras.optimizers.SGD(1.0)
    leave_gradients_unreduced(optimizer)
    hook, optimizer.__dict__["_all_reduce_sum_gradients"] = (
        optimizer._all_reduce_sum_gradients,
        lambda pairs: seen.append(len(pairs)) or hook(pairs),
    )
    variable = keras.Variable(1.0)
    optimizer.apply([tf.constant(0.25)], [variable])
    assert seen == [1], "`Optimizer._all_reduce_sum_gradients` is no longer what sums gradients over replicas"
    assert float(variable.value) == 0.75


@pytest.mark.parametrize(
    ("name", "caller"),
    [
        ("_symbolic_build", tensorflow_trainer.TensorFlowTrainer._maybe_symbolic_build),
        ("_maybe_symbolic_build", tensorflow_trainer.TensorFlowTrainer.fit),
        ("_trainable_variables", BaseOptimizer.stateless_apply),
    ],
)
def test_overridden_names(name, caller):
    owner = keras.optimizers.SGD() if name == "_trainable_variables" else keras.Model
    assert hasattr(owner, name), f"Keras has no `{name}` any more"
    assert f"self.{name}" in inspect.getsource(inspect.unwrap(caller)), f"`{caller.__name__}` does not use `{name}`"


def test_overridden_names_are_all_tested():
    (parameters,) = [mark.args[1] for mark in test_overridden_names.pytestmark if mark.name == "parametrize"]
    assert {name for name, _ in parameters} == set(OVERRIDDEN)


def test_tensorflow_gradient_registry():
    before = set(gradient_registry())

    @tf.function
    def traced(x):
        return tf.custom_gradient(lambda y: (y, lambda dy: 2 * dy))(x)

    traced.get_concrete_function(tf.TensorSpec((), tf.float32))
    new = set(gradient_registry()) - before
    assert new and all(name.startswith("CustomGradient-") for name in new), f"`gradient_registry._registry` got {new}"


def test_tensorflow_register_gradient():
    before = set(gradient_registry())

    @tf.function
    def traced(x):
        with gradients_of_their_graphs():
            return tf.custom_gradient(lambda y: (y, lambda dy: 2 * dy))(x)

    graph = traced.get_concrete_function(tf.TensorSpec((), tf.float32)).graph
    (name,) = set(gradient_registry()) - before
    assert len(graph._kerasnas_gradients) == 1, "`tf.custom_gradient` does not register by `ops.RegisterGradient`"
    with tf.GradientTape() as tape:
        tape.watch(x := tf.constant(3.0))
        y = traced(x)
    assert float(tape.gradient(y, x)) == 2.0
    del traced, graph, tape, y
    gc.collect()
    assert name not in gradient_registry(), "a graph outlives its `tf.function`"


def test_tensorflow_var_handle_op():
    """Operations with the same attributes share a kernel."""
    made = []

    def record(kind, inputs, attributes, *rest):
        made.append(attributes) if kind == "VarHandleOp" else None

    op_callbacks.add_op_callback(record)
    try:
        variables = [tf.Variable(value, name=f"of_{value}") for value in (1.0, 2.0)]
    finally:
        op_callbacks.remove_op_callback(record)
    assert len(made) == 2 and made[0] == made[1], f"the handles of two variables have different attributes: {made}"
    assert [float(variable) for variable in variables] == [1.0, 2.0]


def test_tensorflow_noinline():
    concrete = traced_once(lambda x: x + 1).get_concrete_function(tf.TensorSpec((), tf.float32))
    assert concrete.function_def.attr["_noinline"].b, "`tf.function` drops the attribute `_noinline`"
    with all_inlined():
        concrete = traced_once(lambda x: x + 1).get_concrete_function(tf.TensorSpec((), tf.float32))
    assert "_noinline" not in concrete.function_def.attr


def test_tensorflow_omit_frequent_tracing_warning():
    stock = tf.function(lambda x: x)
    assert stock._omit_frequent_tracing_warning is False, "`tf.function` has no `_omit_frequent_tracing_warning`"
    assert traced_once(lambda x: x)._omit_frequent_tracing_warning is True


def test_strategy_in_multi_worker_mode():
    strategy = tf.distribute.get_strategy()
    mirrored = tf.distribute.MirroredStrategy(["CPU:0"])
    found = in_multi_worker_mode(strategy), in_multi_worker_mode(mirrored)
    assert found == (False, False), f"`StrategyExtended._in_multi_worker_mode` is {found} in one process"
    assert "_in_multi_worker_mode()" in inspect.getsource(tensorflow_trainer), (
        "Keras' trainer does not ask `_in_multi_worker_mode`"
    )


def test_every_function_of_the_seams_has_its_reason():
    for module in (keras_internals, tensorflow_internals):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__:
                assert "public" in (function.__doc__ or ""), f"`{name}` does not say why the public API does not do"


def test_context_function_call_options():
    doubled = tf.function(lambda x: 2 * x + 0 * tf.reduce_sum(x))
    before = context.context().function_call_options
    seen = []
    run = pruned_only(lambda x: (seen.append(context.context().function_call_options), doubled(x))[1])
    assert float(run(tf.constant(3.0))) == 6.0
    assert context.context().function_call_options is before, "`Context.function_call_options` are not put back"
    config = tf.compat.v1.ConfigProto.FromString(seen[0].config_proto_serialized)
    passes = config.graph_options.rewrite_options
    assert all(getattr(passes, name) == passes.OFF for name in _PASSES), "`RewriterConfig` has other passes on"
    assert not passes.disable_model_pruning and not passes.disable_meta_optimizer


def test_convert_variables_to_constants():
    variable = tf.Variable([2.0])
    traced = tf.function(lambda x: x * variable, input_signature=[tf.TensorSpec((1,))]).get_concrete_function()
    constant = frozen(traced)
    variable.assign([3.0])
    assert not constant.variables and constant(tf.constant([5.0]))[0].numpy() == [10.0], "its variables still change it"


def test_converter_error():
    traced = tf.function(tf.linalg.eigh, input_signature=[tf.TensorSpec((2, 2))]).get_concrete_function()
    with pytest.raises(ConverterError):
        tf.lite.TFLiteConverter.from_concrete_functions([frozen(traced)]).convert()


def test_context_graph_collection():
    function = tf.function(lambda x: tf.matmul(x, x) + tf.matmul(x, x), input_signature=[tf.TensorSpec((2, 2))])
    with executed_graphs() as graphs:
        function(tf.eye(2))
    tf.function(lambda x: tf.nn.softplus(x))(tf.eye(2))
    kinds = [node.op.removeprefix("_Mkl") for graph in graphs for node in graph.node]
    assert kinds.count("MatMul") == 1, f"`Context.export_run_metadata` has graphs that are not optimized: {kinds}"
    with executed_graphs() as graphs:
        pass
    assert not graphs, "`Context.disable_graph_collection` does not end it"


def test_xplane(tmp_path):
    function = tf.function(lambda x: tf.matmul(x, x), input_signature=[tf.TensorSpec((64, 64))])
    function(tf.eye(64))
    with tf.profiler.experimental.Profile(str(tmp_path)):
        function(tf.eye(64))
    found = {node: (kind, seconds) for node, kind, seconds in profiled_operations(tmp_path)}
    assert found["MatMul"][0].endswith("MatMul"), f"`XSpace` names operations otherwise: {found}"
    assert 1e-7 < found["MatMul"][1] < 0.1, f"`XSpace` has no times in picoseconds: {found}"


def test_time_of_an_operation_is_without_those_inside_it(tmp_path):
    space = xplane_pb2.XSpace()
    plane = space.planes.add()
    for key, name in enumerate(("call:PartitionedCall", "a/MatMul:MatMul", "a/Relu:Relu"), 1):
        plane.event_metadata[key].name, plane.event_metadata[key].display_name = name, name.partition(":")[2]
    plane.event_metadata[9].name = "ExecutorState::Process"
    line = plane.lines.add()
    for key, begin, end in ((3, 70, 90), (9, 0, 100), (1, 10, 100), (2, 20, 60), (3, 100, 101)):
        line.events.add(metadata_id=key, offset_ps=begin, duration_ps=end - begin)
    (tmp_path / "host.xplane.pb").write_bytes(space.SerializeToString())
    found = [(node, kind, round(1e12 * seconds)) for node, kind, seconds in profiled_operations(tmp_path)]
    call = ("call", "PartitionedCall", 90 - 40 - 20)
    assert found == [("a/MatMul", "MatMul", 40), ("a/Relu", "Relu", 20), call, ("a/Relu", "Relu", 1)]
