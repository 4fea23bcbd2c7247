"""Tuners: whole searches as KerasTuner trials.

Internal: what is public is in `tuners`.
"""
