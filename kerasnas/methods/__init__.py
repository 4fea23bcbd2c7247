"""Methods of a run: race, gradient search, search on a graph, retraining, pretraining.

from kerasnas import methods

settings = methods.SearchConfig(dataset="my_images/", epochs=15)
result = methods.search(settings, "runs/mine")     # called again, it continues
methods.resume("runs/mine")
"""

from kerasnas.methods.front import FrontMethod
from kerasnas.methods.gradient.method import GradientSearch
from kerasnas.methods.gradient.settings import SearchConfig
from kerasnas.methods.nodes.method import NodeClassification
from kerasnas.methods.pretraining import Pretraining
from kerasnas.methods.race.method import RaceMethod
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.retraining import Retraining
from kerasnas.methods.running import resume, retrain, search
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.runs.method import Method
from kerasnas.runs.settings import METHODS as METHODS

__all__ = ["Method", "RaceConfig", "SearchConfig", "TrainingConfig", "resume", "retrain", "search"]


def search_methods() -> list[Method]:
    """The methods of `kerasnas search`; of those that suit a space and its data, the last one is chosen."""
    return [method for name in METHODS if (method := METHODS[name]()).command == "search"]


METHODS.register("race", RaceMethod)
METHODS.register("search", GradientSearch)
METHODS.register("front", FrontMethod)
METHODS.register("graph", NodeClassification)
METHODS.register("retrain", Retraining)
METHODS.register("pretrain", Pretraining)
