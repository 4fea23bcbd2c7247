"""Zero-cost proxies: scores of networks that are not trained, from a gradient or two."""

from kerasnas.proxies.readout import ReadoutScore
from kerasnas.proxies.score import ProxyScore

__all__ = [
    "ProxyScore",
    "ReadoutScore",
]
