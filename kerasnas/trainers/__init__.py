"""Gradient search as Keras models with `fit`. Internal: `kerasnas.search` is its public face."""
