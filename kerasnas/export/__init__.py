"""A trained network as it leaves the house: a model that takes raw images and answers probabilities.

`model.keras` is plain Keras; `FORMATS` are those of other runtimes, which `export_classifier` writes and checks.

Internal: `kerasnas export` and `kerasnas.deployment.export` are the face.
"""
