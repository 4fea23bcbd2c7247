"""Oracles: what a trial tries next."""
