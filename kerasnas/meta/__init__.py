"""Meta-learning: initializations learned from many tasks, and from the records of earlier searches."""

from kerasnas.meta.base import MetaLearner
from kerasnas.meta.evaluation import DivergedError, Estimate
from kerasnas.meta.experience import SearchExperience, load_experiences, save_experiences
from kerasnas.meta.experience_store import ExperienceStore
from kerasnas.meta.initializer import ReptileInitializer, warm_start
from kerasnas.meta.inner_optimizers import INNER_OPTIMIZERS, InnerAdam, InnerSGD
from kerasnas.meta.maml import MAML
from kerasnas.meta.metanas import MetaNAS
from kerasnas.meta.race_experience import Advice, RaceExperience, advise
from kerasnas.meta.reptile import Reptile
from kerasnas.meta.shelf import initializer_names, load_initializer
from kerasnas.meta.tasks import describe_task
from kerasnas.meta.warm_controller import pretrain_policy, reptile_policy
from kerasnas.meta.warm_predictor import TransferPredictor

__all__ = [
    "INNER_OPTIMIZERS",
    "MAML",
    "Advice",
    "DivergedError",
    "Estimate",
    "ExperienceStore",
    "InnerAdam",
    "InnerSGD",
    "MetaLearner",
    "MetaNAS",
    "RaceExperience",
    "Reptile",
    "ReptileInitializer",
    "SearchExperience",
    "TransferPredictor",
    "advise",
    "describe_task",
    "initializer_names",
    "load_experiences",
    "load_initializer",
    "pretrain_policy",
    "reptile_policy",
    "save_experiences",
    "warm_start",
]
