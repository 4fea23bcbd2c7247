"""The pipeline: search, derive, train, evaluate, record; each stage once, resumable.

The command line, the tuners and Python call the same functions:

    import kerasnas.pipeline as pipeline

    settings = pipeline.SearchConfig(dataset="my_images/", epochs=15)
    result = pipeline.search(settings, "runs/mine")     # called again, it continues
    pipeline.resume("runs/mine")

`SearchConfig` and its siblings are settings; `Stages` is the store of a folder's stages; `run_search` and
`NetworkTraining.run` are the two stages that a search consists of, and `TrainingRecipe` says how networks are trained.
"""

from kerasnas.pipeline.assembly import make_space
from kerasnas.pipeline.classifiers import ImageClassifier, TextClassifier
from kerasnas.pipeline.comparison import compare
from kerasnas.pipeline.deployment import Prediction, evaluate, predict
from kerasnas.pipeline.doctor import DoctorConfig, examine
from kerasnas.pipeline.executors import open_executor
from kerasnas.pipeline.exporting import DEFAULT_FORMATS, export
from kerasnas.pipeline.graph_classifier import GraphClassifier
from kerasnas.pipeline.image_regressor import ImageRegressor
from kerasnas.pipeline.loading import Preset, load
from kerasnas.pipeline.monitoring import monitor
from kerasnas.pipeline.preset_folders import presets
from kerasnas.pipeline.progress import Progress
from kerasnas.pipeline.publishing import push
from kerasnas.pipeline.readapting import Readaptation, readapt
from kerasnas.pipeline.rebuilding import Rebuilt, fitting, read_network
from kerasnas.pipeline.recipe import AUGMENTATIONS, TrainingRecipe
from kerasnas.pipeline.record import make_record, plot_genotype, write_record
from kerasnas.pipeline.run import plot, pretrain, resume, retrain, search
from kerasnas.pipeline.run_folder import RunFolder, read_config
from kerasnas.pipeline.search_stage import run_search
from kerasnas.pipeline.settings import (
    ComparisonConfig,
    GraphConfig,
    PretrainingConfig,
    RaceConfig,
    SearchConfig,
    TimingConfig,
    TrainingConfig,
)
from kerasnas.pipeline.shortlist import Shortlist, rerank, rerank_genotypes, run_shortlist
from kerasnas.pipeline.stages import Stages
from kerasnas.pipeline.step_timing import measure
from kerasnas.pipeline.training_stage import NetworkTraining

__all__ = [
    "AUGMENTATIONS",
    "DEFAULT_FORMATS",
    "ComparisonConfig",
    "DoctorConfig",
    "GraphClassifier",
    "GraphConfig",
    "ImageClassifier",
    "ImageRegressor",
    "NetworkTraining",
    "Prediction",
    "Preset",
    "PretrainingConfig",
    "Progress",
    "RaceConfig",
    "Readaptation",
    "Rebuilt",
    "RunFolder",
    "SearchConfig",
    "Shortlist",
    "Stages",
    "TextClassifier",
    "TimingConfig",
    "TrainingConfig",
    "TrainingRecipe",
    "compare",
    "evaluate",
    "examine",
    "export",
    "fitting",
    "load",
    "make_record",
    "make_space",
    "measure",
    "monitor",
    "open_executor",
    "plot",
    "plot_genotype",
    "predict",
    "presets",
    "pretrain",
    "push",
    "read_config",
    "read_network",
    "readapt",
    "rerank",
    "rerank_genotypes",
    "resume",
    "retrain",
    "run_search",
    "run_shortlist",
    "search",
    "write_record",
]
