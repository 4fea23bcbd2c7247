"""Training of discrete networks and of supernets: one recipe, one loop, resumable stages.

Internal: methods, races and tuners train with it; users see the recipe, as `tuners.TrainingRecipe`.
"""
