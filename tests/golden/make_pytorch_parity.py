"""Writes pytorch_parity.json: loss and gradients of the supernet as an independent PyTorch program computes them.

The program is `benchmarks/pytorch_darts.py`, with the windows where Keras puts them (`padding="same"`). It gets the
weights and alphas of a KerasNAS supernet, in float64, and computes the training-mode cross-entropy of one batch. Kept
are the loss, the gradient with respect to the alphas in full, and of the gradient of each network weight its norm and
inner product with a fixed random tensor. A test compares them with what `BilevelTrainer` computes, without PyTorch.

    pip install torch
    python tests/golden/make_pytorch_parity.py            # write the file
    python tests/golden/make_pytorch_parity.py --check    # compare both programs entry by entry, write nothing
"""

import argparse
import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
GOLDEN = HERE / "pytorch_parity.json"
PROGRAM = HERE.parents[1] / "benchmarks" / "pytorch_darts.py"
CLASSES = 10
# The first has every kind of cell after every kind that 4 cells give. The second has odd and unequal sizes.
CASES = {
    "8 filters, 4 cells, 4 nodes": {
        "space": {"filters": 8, "num_cells": 4, "num_nodes": 4},
        "image": (16, 16, 3),
        "batch": 4,
    },
    "3 filters, 3 cells, 2 nodes": {
        "space": {"filters": 3, "num_cells": 3, "num_nodes": 2},
        "image": (9, 13, 3),
        "batch": 4,
    },
}
PUBLISHED_SIZES = ((8, 4), (16, 8))
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-6, 1e-5


# Shared with the test: nothing of PyTorch ----------------------------------------------------------------------
def build_supernet(name):
    """The KerasNAS supernet of a case, in the precision that is set, with alphas and offsets that are not tiny."""
    from kerasnas import DARTSSpace

    case = CASES[name]
    supernet = DARTSSpace(**case["space"]).build_supernet(case["image"], CLASSES, seed=1)
    for index, variable in enumerate(supernet.architecture_parameters):
        variable.assign(0.5 * np.random.default_rng([5, index]).standard_normal(variable.shape))
    for index, variable in enumerate(supernet.network_weights):
        if len(variable.shape) == 1:  # the stem's scale and offset, the classifier's bias
            values = np.asarray(variable) + 0.1 * np.random.default_rng([6, index]).standard_normal(variable.shape)
            variable.assign(values)
    return supernet


def batch_of(name):
    """Images `(batch, height, width, channels)` in float64, and labels."""
    case, rng = CASES[name], np.random.default_rng(3)
    return rng.standard_normal((case["batch"], *case["image"])), rng.integers(CLASSES, size=case["batch"])


def summary(index, gradient):
    """The record of the gradient of network weight number `index`: (norm, inner product with a random tensor)."""
    probe = np.random.default_rng([7, index]).standard_normal(gradient.shape)
    return float(np.linalg.norm(gradient)), float(np.vdot(probe, gradient))


def keras_values(supernet, batch):
    """(loss, gradients of the alphas, gradients of the network weights) as `BilevelTrainer` computes them, in NumPy."""
    import tensorflow as tf

    from kerasnas import BilevelTrainer

    search = BilevelTrainer(supernet, weight_decay=0.0, architecture_weight_decay=0.0, auxiliary_skip=0.0)
    search.compile()
    both = [tuple(tf.constant(part) for part in batch)] * 2
    parts = search.network_weights, search.architecture_parameters, search.non_trainable_variables
    state = [[tf.convert_to_tensor(variable) for variable in part] for part in parts]
    (validation_loss, _), by_alphas = search.architecture_gradients(*state, both)
    ((loss, _), _), by_weights = search.network_gradients(*state, both)
    np.testing.assert_allclose(float(validation_loss), float(loss), rtol=LOSS_TOLERANCE)
    return float(loss), [g.numpy() for g in by_alphas], [g.numpy() for g in by_weights]


# The correspondence of the two layouts -------------------------------------------------------------------------
def correspondence(supernet, model):
    """For each network weight of `supernet`, in order: (name, variable, its parameters in `model`, one for each copy).

    A KerasNAS weight is stacked over its copies: the edges that leave one node of a cell.
    """
    found = {}

    def add(name, layers, copies):
        """`layers`: our layer; `copies`: the PyTorch modules that are its copies, parameter by parameter the same."""
        parameters = zip(*(copy.parameters() for copy in copies), strict=True)
        for index, (variable, own) in enumerate(zip(layers, parameters, strict=True)):
            found[id(variable)] = f"{name}/{index}", variable, own

    stem, *parts, _, classifier = supernet.parts
    add("stem", stem.trainable_variables, [model.stem])
    add("classifier", classifier.trainable_variables, [model.classifier])
    for number, theirs in enumerate(model.cells):
        *preprocess, ours = parts[3 * number : 3 * number + 3]
        for which, pair in enumerate(zip(preprocess, theirs.preprocess, strict=True)):
            add(f"cells/{number}/preprocess/{which}", pair[0].trainable_variables, [pair[1]])
        edges = [(source, target) for target in range(2, 2 + theirs.nodes) for source in range(target)]
        for source, mixed in enumerate(ours.mixed):
            leaving = [module for module, edge in zip(theirs.edges, edges, strict=True) if edge[0] == source]
            for column, primitive in enumerate(mixed.primitives):
                if primitive != "none":
                    copies = [module.primitives[column] for module in leaving]
                    variables = mixed.candidates[primitive].trainable_variables
                    add(f"cells/{number}/source/{source}/{primitive}", variables, copies)
    pairs = [found[id(variable)] for variable in supernet.network_weights]
    assert len(pairs) == len(found)
    assert sum(len(own) for _, _, own in pairs) == len(list(model.parameters()))
    return pairs


def unstacked(values, kernel_size, copies):
    """Our array as the arrays of its copies, in PyTorch's layout."""
    if values.ndim == 4 and values.shape[-1] == 1:  # depthwise: (k, k, copies * channels, 1)
        return [part.transpose(2, 3, 0, 1) for part in np.split(values, copies, axis=2)]
    if values.ndim == 3:  # (copies, window * channels, filters)
        window = kernel_size, kernel_size, -1, values.shape[-1]
        return [part.reshape(window).transpose(3, 2, 0, 1) for part in values]
    assert copies == 1
    return [values.transpose(3, 2, 0, 1) if values.ndim == 4 else values.T]


def stacked(parts, shape):
    """The inverse of `unstacked`, for our array of `shape`."""
    if len(shape) == 4 and shape[-1] == 1:
        return np.concatenate([part.transpose(2, 3, 0, 1) for part in parts], axis=2)
    if len(shape) == 3:
        return np.stack([part.transpose(2, 3, 1, 0).reshape(shape[1:]) for part in parts])
    (part,) = parts
    return part.transpose(2, 3, 1, 0) if len(shape) == 4 else part.T


def load_kerasnas(model, supernet):
    """Give `model` the weights and alphas of `supernet`."""
    import torch

    with torch.no_grad():
        for _, variable, parameters in correspondence(supernet, model):
            values = unstacked(np.asarray(variable), parameters[0].shape[-1], len(parameters))
            for parameter, value in zip(parameters, values, strict=True):
                assert parameter.shape == value.shape
                parameter.copy_(torch.from_numpy(value.copy()))
    for kind, variable in supernet.alphas.items():
        model.alphas[kind] = torch.tensor(np.asarray(variable), requires_grad=True)


def pytorch_values(name, supernet):
    """(loss, gradients of the alphas, gradients of the network weights in our layout, names) by the PyTorch program."""
    import torch

    program, space = runpy.run_path(str(PROGRAM)), CASES[name]["space"]
    model = program["Supernet"](space["filters"], space["num_cells"], space["num_nodes"], CLASSES, padding="same")
    model = model.double()
    load_kerasnas(model, supernet)
    x, y = batch_of(name)
    loss = program["loss_of"](model, (torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), torch.from_numpy(y)))
    loss.backward()
    kinds = {id(variable): kind for kind, variable in supernet.alphas.items()}
    by_alphas = [model.alphas[kinds[id(variable)]].grad.numpy() for variable in supernet.architecture_parameters]
    pairs = correspondence(supernet, model)
    by_weights = [stacked([p.grad.numpy() for p in own], tuple(variable.shape)) for _, variable, own in pairs]
    return float(loss.detach()), by_alphas, by_weights, [name for name, _, _ in pairs]


# Both commands -------------------------------------------------------------------------------------------------
def parameter_counts():
    """Network weights of the PyTorch supernet in the sizes that the tests count."""
    supernet = runpy.run_path(str(PROGRAM))["Supernet"]
    return {
        f"{filters} filters, {cells} cells": sum(p.numel() for p in supernet(filters, cells).parameters())
        for filters, cells in PUBLISHED_SIZES
    }


def record():
    """The whole file."""
    cases = {}
    for name in CASES:
        supernet = build_supernet(name)
        loss, by_alphas, by_weights, names = pytorch_values(name, supernet)
        weights = []
        for index, (own, gradient) in enumerate(zip(names, by_weights, strict=True)):
            norm, product = summary(index, gradient)
            weights.append({"name": own, "shape": list(gradient.shape), "norm": norm, "product": product})
        cases[name] = {"loss": loss, "alphas": [gradient.tolist() for gradient in by_alphas], "weights": weights}
    return {"parameters": parameter_counts(), "cases": cases}


def write(content):
    """One line for each network weight and each row of alphas, so that a change reads well."""
    text = json.dumps(content, indent=1)
    for leaf in (r"\[[^\[\]{}]*\]", r'\{\s*"name"[^{}]*\}'):  # a list of numbers, then what is kept of one weight
        text = re.sub(leaf, lambda match: " ".join(match[0].split()), text)
    GOLDEN.write_text(text + "\n")


def relative_error(received, expected):
    """Norm of the difference over the norm of what is expected."""
    return float(np.linalg.norm(received - expected) / np.linalg.norm(expected))


def check():
    """Print the largest relative differences of the two programs; return whether all are within tolerance."""
    fine = True
    for name in CASES:
        supernet = build_supernet(name)
        loss, by_alphas, by_weights, names = pytorch_values(name, supernet)
        own_loss, own_alphas, own_weights = keras_values(supernet, batch_of(name))
        loss_error = abs(own_loss - loss) / loss
        alpha_error = max(map(relative_error, own_alphas, by_alphas))
        weight_error, worst = max(zip(map(relative_error, own_weights, by_weights), names, strict=True))
        print(f"{name}: loss {loss:.6f}, {len(names)} network weights; largest relative errors: ", end="")
        print(f"loss {loss_error:.1e}, alphas {alpha_error:.1e}, network weights {weight_error:.1e} ({worst})")
        fine &= loss_error <= LOSS_TOLERANCE and max(alpha_error, weight_error) <= GRADIENT_TOLERANCE
    return fine


def main():
    import keras

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    keras.config.set_dtype_policy("float64")
    keras.config.set_floatx("float64")
    if arguments.check:
        sys.exit(0 if check() else "The two programs differ.")
    write(record())


if __name__ == "__main__":
    main()
