"""The primitives that each edge of a supernet has left, where a search has dropped others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.networks.skeleton import ChoiceTable
from kerasnas.primitives.mixed_op import check_kept


class KeptPrimitives:
    """Narrows the tables of a supernet to the primitives that are left, and widens them again, with zeros.

    Args:
        choices: table name -> `ChoiceTable`.
        names: for tables whose edges have dropped primitives: for each edge the names of those left.
    """

    def __init__(self, choices: Mapping[str, ChoiceTable], names: Mapping[str, Sequence[Sequence[str]]]):
        checks.mapping("kept", names)
        for kind in names:
            checks.one_of("kept", kind, choices)
        tables = {kind: choices[kind] for kind in names}
        self.names = {kind: check_kept(own.primitives, names[kind], len(own.edges)) for kind, own in tables.items()}
        self._routes = {
            kind: np.array([[[name == left for name in tables[kind].primitives] for left in row] for row in rows])
            for kind, rows in self.names.items()
        }

    def narrow(self, kind: str, table: Any) -> Any:
        """Return the columns of a table `(edges, primitives)` that are left: `(edges, left)`."""
        if kind not in self._routes:
            return table
        return ops.einsum("ep,elp->el", table, ops.convert_to_tensor(self._routes[kind], table.dtype))

    def widen(self, kind: str, table: Any) -> Any:
        """Invert `narrow`, with zeros for what was dropped."""
        if kind not in self._routes:
            return table
        return ops.einsum("el,elp->ep", table, ops.convert_to_tensor(self._routes[kind], table.dtype))

    def check(self, kind: str, weights: np.ndarray, genotype: Genotype) -> None:
        """Raise ValueError if `weights`, which are those of `genotype`, are not 0 for what was dropped."""
        if kind in self._routes and (weights * ~self._routes[kind].any(axis=1)).any():
            raise ValueError(checks.invalid("genotype", "primitives that its edges have left", genotype))
