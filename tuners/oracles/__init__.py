"""Oracles: what a trial tries next.

Internal: what is public is in `tuners`.
"""
