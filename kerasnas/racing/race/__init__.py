"""The race itself: its field, its rungs, its ranking, its workers. Internal: `kerasnas.racing` is the face."""
