"""A run for people to read: plots, a report and a model card.

The functions that take a `result` read the record of a run, as it stands in a run folder's `result.json`.
`"genotype"` and `"searched"` are required; whatever else is missing is left out of the page:

```
{"kerasnas_version": str, "command": str,
 "dataset": {"name": str, "train_examples": int, "test_examples": int, "classes": [str], "input_shape": [h, w, c],
             "scale": float, "faults": [str], "front": {"name": "vocabulary", "log_mel" or "padding", ...}},
 "settings": {flag: value},
 "genotype": the object that `Genotype.to_json` writes,
 "evaluated_on": "test" or "val", whose metrics the records then have as "val_accuracy" and so on,
 "search": {"seconds": float, "parameters": int, "history": {metric: [one number an epoch]}},
 "searched": {"test_accuracy": float, "test_loss": float, "parameters": int, "seconds": float, "history": {...},
              "linear": of texts and signals {"longest": tokens of a run, or "kernels": number of their features,
                                              "samples": held-out ones, "weights": [one a model],
                                              "losses": {"linear", "network", "both": float},
                                              "network": {"used": bool, "with", "without": cross-validated losses}},
              "macs": int, "bytes": of model.keras, "latency_ms": float,
              "confusion": [[number of samples: a row for each true class, a column for what it was taken for]]},
 "paired": {"difference": float, "error": float, "samples": int},
 "random": [{"test_accuracy": float, "test_loss": float, "parameters": int, "seconds": float, "genotype": {...}}],
 "cost": {"name": str, "unit": str, "target": float or None, "weight": float, "form": str, "searched": float,
          "random": [float], "front": [{"cost": float, "genotype": {...}}]},
 "shortlist": {"seconds": float,
               "rungs": [{"epochs": int, "steps": int,
                          "networks": [{"genotype": {...}, "val_accuracy": float or None}]}]},
 "experience": {"task": {name: float}, "inputs": str, "predicts": str, "leads": bool,
                "networks": [{"genotype": {...}, "wins": int}]},
 "race": {"winner": name, "rungs": [[networks, steps of each]], "validation_samples": int, "augment": [name],
          "kept": {augmentation: share of the accuracy above chance that is left on images so transformed},
          "contestants": {name: {"kind": "reference", "default", "given", "remembered", "initialized", "pretrained" or
                                         "random",
                                 "genotype": {...}, "outcome": str,
                                 "parameters": int, "macs": int: of a network that was built,
                                 "heat": {"steps": int, "accuracy": float, "seconds": float} on small samples,
                                 "rungs": [{"accuracy": float, "expected": float, "steps": int, "seconds": float}]}},
          "baseline": {"name": str, "accuracy": float, "seconds": float} or None,
          "comparison": [{"name": str, "rung": int, "difference": float, "error": float}]},
 "mixture": {"weights": {"regression": float, "networks": float}, "smoothed": bool, "seconds": float,
             "parts": {"regression", "networks" or "mixture": {"val_accuracy": float, "val_loss": float,
                                                               "test_accuracy": float, "test_loss": float}},
             "leads": {"regression over networks" or "mixture over regression": {"difference": float,
                                                                                "error": float}}},
 "samples": {"mistakes": [{"image": PNG as a data URI, "text": str, "label": str, "taken_for": str,
                           "probability": float}],
             "classes": [{"name": str, "train": int, "test": int, "images": [PNG as a data URI]}]},
 "exports": {"machine": str, "samples": int,
             "files": [{"format": str, "title": str, "file": str, "bytes": int, "latency_ms": float, "threads": int,
                        "agreement": share of the samples with the same class, "difference": float}]},
 "environment": {"python": str, "tensorflow": str, "keras": str, "platform": str, "cpu_count": int,
                 "peak_memory_gib": float}}
```

matplotlib is imported when the first plot is drawn, not before. Internal: runs and the command line write reports.
"""

from kerasnas.reporting.comparisons import COMPARISONS, RANDOM
from kerasnas.reporting.mixture import MixtureComparison
from kerasnas.reporting.race import RaceComparison
from kerasnas.reporting.random_networks import RandomComparison

COMPARISONS.register("race", RaceComparison)
COMPARISONS.register("mixture", MixtureComparison)
COMPARISONS.register(RANDOM, RandomComparison)
