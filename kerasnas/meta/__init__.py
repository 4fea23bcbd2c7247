"""Meta-learning: initializations learned from many tasks, and from the records of earlier searches."""

from kerasnas.meta.experience import SearchExperience
from kerasnas.meta.experience_store import ExperienceStore
from kerasnas.meta.initializer import ReptileInitializer, warm_start
from kerasnas.meta.maml import MAML
from kerasnas.meta.metanas import MetaNAS
from kerasnas.meta.protonet import ProtoNet
from kerasnas.meta.race_experience import advise
from kerasnas.meta.reptile import Reptile
from kerasnas.meta.warm_controller import pretrain_policy, reptile_policy
from kerasnas.meta.warm_predictor import TransferPredictor

__all__ = [
    "MAML",
    "ExperienceStore",
    "MetaNAS",
    "ProtoNet",
    "Reptile",
    "ReptileInitializer",
    "SearchExperience",
    "TransferPredictor",
    "advise",
    "pretrain_policy",
    "reptile_policy",
    "warm_start",
]
