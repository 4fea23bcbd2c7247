"""Internal: files that are whole or absent, bounded readers for untrusted files, the store of a folder's stages."""
