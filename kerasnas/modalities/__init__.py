"""Modalities: images, signals, recordings, texts, graphs and tables, each one object that everything else asks."""

from kerasnas.modalities.base import MODALITIES, Modality
from kerasnas.modalities.graphs import Graphs
from kerasnas.modalities.images import Images
from kerasnas.modalities.recordings import Recordings
from kerasnas.modalities.signals import Signals
from kerasnas.modalities.tables import Tables
from kerasnas.modalities.texts import Texts

for _member in (Images, Signals, Recordings, Texts, Tables, Graphs):  # where inputs look alike, the first one is meant
    MODALITIES.register(_member.name, _member)

__all__ = [
    "MODALITIES",
    "Modality",
]
