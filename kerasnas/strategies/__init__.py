"""Black-box strategies with `ask` and `tell`. Internal: `kerasnas.search` is their public face."""
