"""Diagnostics: strategies compared on tables, the time of a search step and its operations, a machine examined.

Internal: `kerasnas benchmark`, `kerasnas time` and `kerasnas doctor` are the face.
"""
