"""Zero-cost proxies: scores of networks that are not trained, from a gradient or two."""

from kerasnas.proxies.ascent import ascend
from kerasnas.proxies.naswot import naswot
from kerasnas.proxies.readout import ReadoutScore
from kerasnas.proxies.score import PROXIES, ProxyScore
from kerasnas.proxies.synflow import synflow
from kerasnas.proxies.zico import zico

__all__ = ["PROXIES", "ProxyScore", "ReadoutScore", "ascend", "naswot", "synflow", "zico"]
