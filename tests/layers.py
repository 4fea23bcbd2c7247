"""What tests of several folders ask of a network's layers."""

import collections


def layers_in_order(model):
    """The layers with weights by the name of their class, in the order in which they were made, which numbers them."""

    def number(layer):
        tail = layer.name.rpartition("_")[2]
        return int(tail) if tail.isdigit() else 0

    made = collections.defaultdict(list)
    for layer in sorted((layer for layer in model.layers if layer.weights), key=number):
        made[type(layer).__name__].append(layer)
    return made
