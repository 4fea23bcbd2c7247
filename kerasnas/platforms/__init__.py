"""Adapters to platforms that users have, each an extra that is imported in its one file alone."""


def missing_extra(name: str, error: ImportError) -> ModuleNotFoundError:
    """The error of an adapter whose package is not there.

    Args:
        name: of the extra.
        error: that of the import.

    Example:

    >>> missing_extra("optuna", ModuleNotFoundError("No module named 'optuna'"))
    ModuleNotFoundError("This needs the extra: pip install 'kerasnas[optuna]' (No module named 'optuna')")
    """
    return ModuleNotFoundError(f"This needs the extra: pip install 'kerasnas[{name}]' ({error})", name=error.name)
