"""Files that are whole or absent, bounded readers for untrusted files, and the store of a folder's stages."""

from kerasnas.files.stages import Stages

__all__ = ["Stages"]
