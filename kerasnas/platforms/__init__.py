"""Adapters to platforms that users have, each an extra that is imported in its one file alone."""
