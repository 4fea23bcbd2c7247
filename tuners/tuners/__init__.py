"""Tuners: whole searches as KerasTuner trials."""
