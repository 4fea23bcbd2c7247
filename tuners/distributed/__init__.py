"""Chief and workers: processes that may die, and the leases that survive them.

Internal: what is public is in `tuners`.
"""
