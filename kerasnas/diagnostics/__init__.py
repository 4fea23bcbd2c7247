"""Diagnostics: strategies compared on tables, the time of a search step, and an examination of the machine.

Internal: `kerasnas benchmark`, `kerasnas time` and `kerasnas doctor` are the face.
"""
