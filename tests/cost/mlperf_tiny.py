"""The four networks of MLPerf Tiny (Banbury et al., 2021, arXiv 2106.07597), whose latencies are published."""

import keras
from keras import layers

PARAMETERS = {"visual_wake_words": 221_794, "images": 78_666, "keywords": 24_908, "anomalies": 269_992}


def networks():
    return {
        "visual_wake_words": mobilenet(),
        "images": resnet_8(),
        "keywords": ds_cnn(),
        "anomalies": autoencoder(),
    }


def mobilenet():
    x = inputs = keras.Input((96, 96, 3))
    x = _normalized(layers.Conv2D(8, 3, strides=2, padding="same"), x)
    blocks = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1))
    for filters, strides in blocks:
        x = _separable(filters, strides, x)
    x = layers.Flatten()(layers.AveragePooling2D(3)(x))
    return keras.Model(inputs, layers.Dense(2)(x))


def resnet_8():
    x = inputs = keras.Input((32, 32, 3))
    x = _normalized(layers.Conv2D(16, 3, padding="same"), x)
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        y = _normalized(layers.Conv2D(filters, 3, strides=strides, padding="same"), x)
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y))
        x = x if strides == 1 else layers.Conv2D(filters, 1, strides=strides)(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return keras.Model(inputs, layers.Dense(10)(x))


def ds_cnn():
    x = inputs = keras.Input((49, 10, 1))
    x = _normalized(layers.Conv2D(64, (10, 4), strides=2, padding="same"), x)
    for _ in range(4):
        x = _separable(64, 1, x)
    x = layers.Flatten()(layers.AveragePooling2D((25, 5))(x))
    return keras.Model(inputs, layers.Dense(12)(x))


def autoencoder():
    x = inputs = keras.Input((640,))
    for units in (*[128] * 4, 8, *[128] * 4):
        x = _normalized(layers.Dense(units), x)
    return keras.Model(inputs, layers.Dense(640)(x))


def _separable(filters, strides, x):
    x = _normalized(layers.DepthwiseConv2D(3, strides=strides, padding="same"), x)
    return _normalized(layers.Conv2D(filters, 1), x)


def _normalized(layer, x):
    return layers.ReLU()(layers.BatchNormalization()(layer(x)))
