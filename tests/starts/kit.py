"""A start of five stages that needs no download, and files like those of PyTorch."""

import contextlib
import pickle
import struct
from collections import OrderedDict

import keras
import numpy as np
from keras import layers

from kerasnas.starts import STARTS
from kerasnas.starts.base import Start


class TinyStart(Start):
    """Five strided convolutions with batch norms, of the same drawn weights each time."""

    name, title, licence, source = "tiny", "A tiny start", "MIT", "a test"
    learned_from = "nothing"

    def available(self):
        return True

    def build(self, size):
        x = inputs = keras.Input((size, size, 3))
        for stage in range(5):
            x = layers.Conv2D(4 + stage, 3, strides=2, padding="same", use_bias=False, name=f"conv{stage}")(x)
            x = layers.BatchNormalization(name=f"norm{stage}")(x)
            x = layers.ReLU(name=f"relu{stage}")(x)
        model = keras.Model(inputs, x)
        rng = np.random.default_rng(0)
        for layer in model.layers:
            if isinstance(layer, layers.Conv2D):
                shape = layer.kernel.shape
                layer.kernel.assign(rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:3])))
        model.trainable = False
        return model


@contextlib.contextmanager
def tiny_start():
    """A context in which the tiny start is known; what is registered besides is gone after it."""
    before = set(STARTS)
    STARTS.register("tiny", TinyStart)
    try:
        yield
    finally:
        for name in set(STARTS) - before:
            STARTS.unregister(name)


class Call:
    """What a pickle calls: a function of a module, by its name, and its arguments."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class _Pickler(pickle._Pickler):
    """Writes calls of functions that need not exist here, and storages by their keys."""

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Call):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
            if obj.arguments != (None,):
                self.save(obj.arguments)
                self.write(pickle.REDUCE)
            return
        super().save(obj, save_persistent_id)

    def persistent_id(self, obj):
        return obj.description if isinstance(obj, Storage) else None


class Storage:
    def __init__(self, key, array):
        kind = {"f": "FloatStorage", "i": "LongStorage"}[array.dtype.kind]
        self.key, self.array = key, array
        self.description = ("storage", Call("torch", kind, None), key, "cpu", array.size, None)


def write_tensors(path, tensors, also=()):
    """Write arrays as PyTorch's first format has them; `also` are further entries of the dictionary."""
    storages, state = [], OrderedDict()
    for index, (name, array) in enumerate(tensors.items()):
        array = np.ascontiguousarray(array, "<f4" if np.asarray(array).dtype.kind == "f" else "<i8")
        storages.append(Storage(str(index), array))
        strides = tuple(stride // array.itemsize for stride in array.strides)
        state[name] = Call(
            "torch._utils",
            "_rebuild_tensor_v2",
            storages[-1],
            0,
            array.shape,
            strides,
            False,
            Call("collections", "OrderedDict"),
        )
    state.update(also)
    with open(path, "wb") as file:
        for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(value, file, protocol=2)
        _Pickler(file, 2).dump(dict(state))
        pickle.dump([storage.key for storage in storages], file, protocol=2)
        for storage in storages:
            file.write(struct.pack("<q", storage.array.size) + storage.array.tobytes())
