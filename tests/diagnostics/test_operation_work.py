"""Floating-point operations and bytes of operations: closed forms, by the names that TensorFlow gives them."""

import math

import pytest

from kerasnas.diagnostics.operation_work import flops, plain, traffic


def sizes(*shapes, size=4):
    return [(shape, size) for shape in shapes]


BATCH, HEIGHT, WIDTH, ROWS, COLUMNS, INPUTS, FILTERS = 2, 7, 5, 3, 2, 6, 10
X, Y = (BATCH, 2 * HEIGHT, 2 * WIDTH, INPUTS), (BATCH, HEIGHT, WIDTH, FILTERS)  # strides of 2
KERNEL, LENGTHS = (ROWS, COLUMNS, INPUTS, FILTERS), (4,)
ADDED = BATCH * HEIGHT * WIDTH * FILTERS * ROWS * COLUMNS * INPUTS  # multiply-adds
DEPTHWISE, EACH = (ROWS, COLUMNS, INPUTS, 3), BATCH * HEIGHT * WIDTH * INPUTS * 3 * ROWS * COLUMNS
DY = (BATCH, HEIGHT, WIDTH, INPUTS * 3)


@pytest.mark.parametrize("library", ["{}", "_Mkl{}", "_MklNative{}"])
@pytest.mark.parametrize(
    ("kind", "operands", "results", "added"),
    [
        ("Conv2D", (X, KERNEL), (Y,), ADDED),
        ("FusedConv2D", (X, KERNEL, (FILTERS,)), (Y,), ADDED),
        ("PadWithConv2D", (X, KERNEL, (4, 2)), (Y,), ADDED),
        ("Conv2DBackpropInput", (LENGTHS, KERNEL, Y), (X,), ADDED),
        ("Conv2DBackpropFilter", (X, LENGTHS, Y), (KERNEL,), ADDED),
        ("Conv2DBackpropFilterWithBias", (X, LENGTHS, Y), (KERNEL, (FILTERS,)), ADDED),
        ("Conv2D", (X, (ROWS, COLUMNS, INPUTS // 2, FILTERS)), (Y,), ADDED // 2),  # two groups
        ("Conv3D", ((2, 4, 4, 4, 3), (3, 3, 3, 3, 5)), ((2, 4, 4, 4, 5),), 2 * 64 * 5 * 27 * 3),
        ("DepthwiseConv2dNative", (X, DEPTHWISE), (DY,), EACH),
        ("FusedDepthwiseConv2dNative", (X, DEPTHWISE, (INPUTS * 3,)), (DY,), EACH),
        ("DepthwiseConv2dNativeBackpropInput", (LENGTHS, DEPTHWISE, DY), (X,), EACH),
        ("DepthwiseConv2dNativeBackpropFilter", (X, LENGTHS, DY), (DEPTHWISE,), EACH),
        ("MatMul", ((3, 4), (4, 5)), ((3, 5),), 3 * 4 * 5),
        ("MatMul", ((4, 3), (5, 4)), ((3, 5),), 3 * 4 * 5),  # both transposed
        ("FusedMatMul", ((3, 4), (4, 5), (5,)), ((3, 5),), 3 * 4 * 5),
        ("BatchMatMulV2", ((7, 2, 3, 4), (2, 5, 4)), ((7, 2, 3, 5),), 14 * 3 * 4 * 5),  # one operand is broadcast
    ],
)
def test_flops_of_products_are_two_for_each_multiply_add(library, kind, operands, results, added):
    assert flops(plain(library.format(kind)), sizes(*operands), sizes(*results)) == 2 * added


@pytest.mark.parametrize(
    ("equation", "operands", "count"),
    [("blc,ncd->blnd", ((2, 3, 4), (5, 4, 6)), 2 * 2 * 3 * 4 * 5 * 6), ("ab->a", ((3, 4),), 12)],
)
def test_flops_of_an_einsum_are_those_of_all_its_axes(equation, operands, count):
    assert flops("Einsum", sizes(*operands), sizes((1,)), equation) == count


@pytest.mark.parametrize(
    ("kind", "operands", "results", "count"),
    [
        ("Sum", ((8, 9), (1,)), ((8,),), 72),
        ("FusedBatchNormGradV3", ((2, 3, 3, 4), (2, 3, 3, 4), (4,)), ((2, 3, 3, 4), (4,), (4,)), 72),
        ("Relu", ((5,),), ((5,),), 5),
        ("Slice", ((8, 9), (2,), (2,)), ((8, 4),), 0),
        ("ConcatV2", ((8, 4), (8, 5), ()), ((8, 9),), 0),
        ("SparseTensorDenseMatMul", ((30, 2), (30,), (2,), (8, 9)), ((8, 9),), 72),  # its zeros are not known
        ("NoOp", (), (), 0),
        ("Conv2D", ((0,), (3, 3, 1, 1)), ((0,),), 0),  # of sizes that are not known
        ("DepthwiseConv2dNative", ((0,), (0,)), ((0,),), 0),
        ("MatMul", ((0,), (0,)), ((0,),), 0),
    ],
)
def test_other_kinds_take_one_for_each_element_of_the_largest_tensor_or_none(kind, operands, results, count):
    assert flops(kind, sizes(*operands), sizes(*results)) == count


def test_bytes_are_those_of_operands_and_results():
    operands, results = sizes(X, KERNEL), sizes(Y)
    assert traffic("Conv2D", operands, results) == 4 * sum(map(math.prod, (X, KERNEL, Y)))
    assert traffic("Cast", sizes((6,), size=8), sizes((6,), size=2)) == 6 * (8 + 2)
    assert traffic("Slice", sizes((100, 9), (2,), (2,)), sizes((10, 9))) == 2 * 4 * 90, "it reads what it returns"
    assert traffic("ReadVariableOp", sizes((0,), size=0), sizes((10, 9))) == 0, "nothing is moved"
