"""A trained network as it leaves the house: a model that takes raw images and answers probabilities."""

from kerasnas.export.classifier import (
    METADATA,
    MODEL,
    Classifier,
    graded,
    load_classifier,
    save_classifier,
    with_preprocessing,
    write_model,
)

__all__ = [
    "METADATA",
    "MODEL",
    "Classifier",
    "graded",
    "load_classifier",
    "save_classifier",
    "with_preprocessing",
    "write_model",
]
