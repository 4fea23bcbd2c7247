"""Hypermodels: the models of a trial, and their training."""
