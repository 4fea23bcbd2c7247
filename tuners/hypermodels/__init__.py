"""Hypermodels: what a trial builds and fits."""
