"""Where to start: meta-learners, and the initialisations that they make."""

from kerasnas.meta.base import MetaLearner
from kerasnas.meta.evaluation import DivergedError, Estimate
from kerasnas.meta.initializer import ReptileInitializer, warm_start
from kerasnas.meta.inner_optimizers import INNER_OPTIMIZERS, InnerAdam, InnerSGD
from kerasnas.meta.maml import MAML
from kerasnas.meta.metanas import MetaNAS
from kerasnas.meta.reptile import Reptile

__all__ = [
    "INNER_OPTIMIZERS",
    "MAML",
    "DivergedError",
    "Estimate",
    "InnerAdam",
    "InnerSGD",
    "MetaLearner",
    "MetaNAS",
    "Reptile",
    "ReptileInitializer",
    "warm_start",
]
