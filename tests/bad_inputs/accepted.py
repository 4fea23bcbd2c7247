"""Values that may be right after all, though they are of another kind than the right value of the table."""

RIGHT: list[tuple[set[str], set[str]]] = []
"""Kinds of bad values, and the arguments, as `call-argument`, that take them."""
