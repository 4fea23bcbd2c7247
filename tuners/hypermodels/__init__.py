"""Hypermodels: the models of a trial, and their training.

Internal: what is public is in `tuners`.
"""
