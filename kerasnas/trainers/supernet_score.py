"""Accuracy of a genotype with the weights that a supernet shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from kerasnas import backend, checks
from kerasnas.annotations import Tensor
from kerasnas.genotypes import Genotype
from kerasnas.networks import Supernet


class SupernetScore:
    """Held-out accuracy of networks with a supernet's weights, without training or building them.

    Batch norm uses the statistics of each batch: the moving ones belong to the mixture, not to any network.

    With a supernet whose paths were drawn evenly (`relaxation="gumbel"`, alphas frozen for the whole of `fit`) and an
    evolution that receives these scores, this is single-path one-shot search.

    Args:
        supernet: from a space's `build_supernet`, trained.
        x: images or signals that the weights were not trained on.
        y: class numbers.
        batch_size: the accuracy is over whole batches; the rest is dropped. Defaults to 250.

    Raises:
        TypeError: if the supernet was not built by a space.
        ValueError: if `x` and `y` differ in length, or hold less than a batch.

    Example:

    >>> from kerasnas.search import RegularizedEvolution
    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space(filters=2, num_cells=1, num_nodes=2)
    >>> x, y = np.random.default_rng(0).random((8, 8, 8, 3), "float32"), np.arange(8) % 2
    >>> score = SupernetScore(space.build_supernet((8, 8, 3), 2), x, y, batch_size=8)
    >>> evolution = RegularizedEvolution(space)
    >>> for _ in range(3):
    ...     genotype = evolution.ask()
    ...     evolution.tell(genotype, score(genotype))
    >>> 0 <= evolution.best[1] <= 1
    True

    Reference:
        Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling", 2020 (arXiv 1904.00420),
        sections 3.2 and 3.4.

    Differences from the paper:
        - Batch norm uses the batch's statistics, which are not recomputed over training images beforehand.
        - All primitives are computed, those that the network lacks with weight 0.
    """

    def __init__(self, supernet: Supernet, x: Tensor, y: Tensor, batch_size: int = 250):
        self.supernet = checks.instance("supernet", supernet, Supernet, "a supernet that a space built")
        self.x, self.y = checks.array("x", x).astype("float32"), np.ravel(checks.array("y", y, kinds="iu"))
        if self.x.shape[1:] != supernet.image_shape:
            raise ValueError(checks.invalid("x", f"samples of shape {supernet.image_shape}", self.x.shape))
        if self.y.size and not 0 <= self.y.min() <= self.y.max() < supernet.num_classes:
            expected = f"class numbers from 0 to {supernet.num_classes - 1}"
            raise ValueError(checks.invalid("y", expected, f"{self.y.min()} to {self.y.max()}"))
        self.batch_size = checks.size("batch_size", batch_size)
        if len(self.x) != len(self.y) or len(self.x) < batch_size:
            expected = f"labels for the {len(self.x)} images, of which a batch takes {batch_size}"
            raise ValueError(checks.invalid("y", expected, len(self.y)))
        self._hits = backend.traced_once(self._count)

    def _count(self, x: Tensor, y: Tensor, weights: Tensor, trainable: Any, state: Any) -> Any:
        """Count the correctly classified images of a batch."""
        with self.supernet.mixing_by(weights):
            logits, _ = self.supernet.stateless_call(trainable, state, x, training=True)
        return ops.sum(ops.cast(ops.equal(ops.argmax(logits, axis=-1), y), "int32"))

    def accuracy(self, weights: Mapping[str, Any]) -> float:
        """Return the supernet's accuracy with mixing weights, an array `(edges, primitives)` for each kind of cell."""
        tables = {kind: ops.convert_to_tensor(np.asarray(table, "float32")) for kind, table in weights.items()}
        variables = backend.values(self.supernet.trainable_variables)
        state = backend.values(self.supernet.non_trainable_variables)
        hits, batches = 0, len(self.x) // self.batch_size
        for index in range(batches):
            batch = slice(index * self.batch_size, (index + 1) * self.batch_size)
            y = ops.convert_to_tensor(self.y[batch].astype("int64"))
            hits += int(self._hits(ops.convert_to_tensor(self.x[batch]), y, tables, variables, state))
        return hits / (batches * self.batch_size)

    def __call__(self, genotype: Genotype) -> float:
        """Return the accuracy of the network of `genotype`; raise ValueError if it is not in the space."""
        return self.accuracy(self.supernet.one_hot_weights(genotype))
