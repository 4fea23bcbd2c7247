"""Shortlist: what a search found and what is near it, trained for a short time, the best on held-out data taken.

Internal: `kerasnas.racing` is the face.
"""
