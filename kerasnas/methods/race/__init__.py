"""Race as a method of a run. Internal: `kerasnas.methods` is the face."""
