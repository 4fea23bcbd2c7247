"""A trained network as it leaves the house: a model that takes raw images and answers probabilities.

`model.keras` is plain Keras; `FORMATS` are those of other runtimes, which `export_classifier` writes and checks.
"""

from kerasnas.export.classifier import (
    METADATA,
    MODEL,
    Classifier,
    load_classifier,
    save_classifier,
    save_node_classifier,
    with_preprocessing,
    write_model,
)
from kerasnas.export.formats import FORMATS, Export, Format, check_convertible, check_formats, export_classifier
from kerasnas.export.loaded import Loaded

__all__ = [
    "FORMATS",
    "METADATA",
    "MODEL",
    "Classifier",
    "Export",
    "Format",
    "Loaded",
    "check_convertible",
    "check_formats",
    "export_classifier",
    "load_classifier",
    "save_classifier",
    "save_node_classifier",
    "with_preprocessing",
    "write_model",
]
