"""Files of a project: written whole or not at all, recovered after damage.

Internal: what is public is in `tuners`.
"""
