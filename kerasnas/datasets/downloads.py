"""Downloads with a cache: every file is fetched once, and its checksum is verified."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from kerasnas.files import leftovers, storage

_TIMEOUT = 30  # seconds without a byte


class RemoteFile(NamedTuple):
    """A published file: its address and the MD5 sum stated by its publisher."""

    address: str
    md5: str


def fetch(file: RemoteFile, folder: Path) -> Path:
    """Return the path of `file` in `folder`, after a download when it is missing.

    The checksum is verified at every call, so that a file put there by hand is as good as a download.

    Raises:
        ConnectionError: if the address cannot be reached; the message says where to put the file by hand.
        ValueError: if the checksum is not the published one; the file is deleted.
    """
    path = folder / file.address.rsplit("/", 1)[-1]
    leftovers.remove(folder)
    if path.exists():
        try:
            _verify(path, file)
        except ValueError:
            path.unlink()
            raise
        return path
    folder.mkdir(parents=True, exist_ok=True)
    print(f"Downloading {file.address} to {path}")
    with storage.atomic_path(path) as temporary:
        try:
            with urllib.request.urlopen(file.address, timeout=_TIMEOUT) as source, open(temporary, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            raise ConnectionError(
                f"Could not reach {file.address} ({error}). To continue offline, put that file at {path} by "
                f'hand (its MD5 sum is {file.md5}), or use the embedded dataset "fashion_mnist_mini", which needs no '
                "download."
            ) from error
        _verify(temporary, file)
    return path


def _verify(path: Path, file: RemoteFile) -> None:
    with open(path, "rb") as opened:
        found = hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != file.md5:
        name = file.address.rsplit("/", 1)[-1]
        raise ValueError(
            f"{name} from {file.address} is damaged or incomplete: expected the MD5 sum {file.md5}, found {found}. "
            "The file was deleted; the next call downloads it again."
        )
