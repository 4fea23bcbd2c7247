"""ProxyScore: the score of a space's networks by a zero-cost proxy, by genotype."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.cost.counting import macs, parameters
from kerasnas.genotypes import Genotype
from kerasnas.proxies.naswot import naswot
from kerasnas.proxies.synflow import synflow
from kerasnas.proxies.zico import zico
from kerasnas.registry import Registry
from kerasnas.spaces import SearchSpace

PROXIES = Registry("proxy")
"""Name -> `(model, x, y) -> score`, higher for what is expected to be better; `x` and `y` are a batch of data."""


def _halves(x: Tensor, y: Tensor) -> list[tuple[Any, Any]]:
    """Split a batch in two of the same, even size if possible: odd ones have crashed oneDNN's gradients."""
    size = len(x) // 4 * 2 or len(x) // 2
    return [(x[:size], y[:size]), (x[size : 2 * size], y[size : 2 * size])]


PROXIES.register("synflow", lambda model, x, y: synflow(model))
PROXIES.register("naswot", lambda model, x, y: naswot(model, x))
PROXIES.register("zico", lambda model, x, y: zico(model, _halves(x, y)))
PROXIES.register("parameters", lambda model, x, y: float(parameters(model)))
PROXIES.register("macs", lambda model, x, y: float(macs(model)))


class ProxyScore:
    """The score of a space's networks by a zero-cost proxy: for an untrained network, at the cost of a gradient or two.

    A filter for a shortlist: such scores separate bad cells from good ones better than the best from good ones. The
    baseline that a proxy must beat is `"parameters"`.

    Args:
        space: a search space.
        proxy: a name in `PROXIES`, or a function `(model, x, y) -> score`.
        x: a batch of images or signals, about 64; `"synflow"`, `"parameters"` and `"macs"` use only its shape.
        y: class numbers, one for each.
        num_classes: number of classes.
        seed: of the initial weights. Defaults to 0.
        sizes: of the networks, such as `filters`; as for the space's `build_network`.

    Raises:
        TypeError: if `space` is not a search space.
        ValueError: for an unknown proxy, and for `x` and `y` of different lengths.

    Example:

    >>> import numpy as np
    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space(filters=2, num_cells=1)
    >>> score = ProxyScore(space, "synflow", np.zeros((4, 8, 8, 3)), np.zeros(4), num_classes=10)
    >>> rng = np.random.default_rng(0)
    >>> isinstance(score(space.sample(rng)), float)
    True
    """

    def __init__(
        self,
        space: SearchSpace,
        proxy: str | Callable[[keras.Model, Any, Any], float],
        x: Tensor,
        y: Tensor,
        num_classes: int,
        seed: int = 0,
        **sizes: Any,
    ):
        self.space = checks.instance("space", space, SearchSpace, "a search space")
        self._proxy = PROXIES[proxy] if isinstance(proxy, str) else checks.function("proxy", proxy)
        self.proxy = proxy
        self.x, self.y = checks.array("x", x).astype("float32"), checks.array("y", y)
        self.y = self.y.reshape(-1) if self.y.dtype.kind in "iu" and self.y.shape[1:] == (1,) else self.y
        if self.x.ndim not in (3, 4) or not len(self.x):
            raise ValueError(checks.invalid("x", "images or signals, of 4 or 3 axes, at least one", self.x.shape))
        if len(self.x) != len(self.y):
            raise ValueError(checks.invalid("y", f"{len(self.x)} labels, one for each image", len(self.y)))
        self.num_classes, self.seed = checks.size("num_classes", num_classes), checks.seed(seed)
        self.sizes = sizes
        self._known: dict[Genotype, float] = {}

    def __call__(self, genotype: Genotype) -> float:
        """Return the score of the network of `genotype`; computed once.

        Raises:
            ValueError: if the genotype is not of the space, and if the proxy is not defined for its network.
        """
        if genotype not in self._known:
            model = self.space.build_network(genotype, self.x.shape[1:], self.num_classes, seed=self.seed, **self.sizes)
            self._known[genotype] = float(self._proxy(model, self.x, self.y))
        return self._known[genotype]
