"""What leaves the house: a trained network as a model that takes raw images and answers probabilities."""

from kerasnas.export.classifier import (
    METADATA,
    MODEL,
    Classifier,
    load_classifier,
    save_classifier,
    with_preprocessing,
    write_model,
)

__all__ = ["METADATA", "MODEL", "Classifier", "load_classifier", "save_classifier", "with_preprocessing", "write_model"]
