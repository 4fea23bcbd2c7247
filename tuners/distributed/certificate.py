"""Certificate of a project: a file in its folder, by which chief and workers authenticate each other over TLS."""

from __future__ import annotations

import datetime
import os
import stat
import warnings
from pathlib import Path
from typing import NamedTuple

import grpc

from kerasnas.files import leftovers
from kerasnas.wording import missing_extra
from tuners.persistence import json_files

NAME = "certificate.json"
HOST = "kerasnas-chief"  # the name in each certificate: the key identifies a peer, not its machine


class Certificate(NamedTuple):
    """A self-signed certificate and its private key, as PEM. Both sides present it, and trust no other one."""

    certificate: str
    key: str

    def of_chief(self) -> grpc.ServerCredentials:
        """Return the chief's credentials, which require those of a worker."""
        certificate = self.certificate.encode()
        return grpc.ssl_server_credentials([(self.key.encode(), certificate)], certificate, require_client_auth=True)

    def of_worker(self) -> grpc.ChannelCredentials:
        """Return a worker's credentials, for a channel to `HOST`."""
        certificate = self.certificate.encode()
        return grpc.ssl_channel_credentials(certificate, self.key.encode(), certificate)


def read_certificate(folder: str | os.PathLike) -> Certificate | None:
    """Read the certificate of the project in `folder`; None if there is no whole one."""
    try:
        content = json_files.decode(Path(folder, NAME).read_bytes())
        return Certificate(str(content["certificate"]), str(content["key"]))
    except (OSError, ValueError, KeyError):
        return None


def require_certificate(folder: str | os.PathLike) -> Certificate:
    """Read the certificate of the project in `folder`; make it if there is none.

    The file appears whole, for its owner alone, and the first of several processes makes it. One that is damaged, or
    readable by others, is replaced, with a warning: workers read it again when the chief rejects the old one.

    Raises:
        ModuleNotFoundError: if the extra `kerasnas[distributed]` is needed to make it.
    """
    path = Path(folder, NAME)
    existing, replaces = read_certificate(folder), os.path.lexists(path)
    if existing is not None and not _is_open(path):
        return existing
    certificate = _new_certificate()
    if replaces:
        reason = "it is damaged" if existing is None else f"its mode was {_mode(path):o}, so that others could read it"
        warnings.warn(f"{path} is replaced by a new certificate: {reason}.", stacklevel=2)
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = leftovers.name_temporary(path.parent, path.stem, path.suffix)
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(json_files.encode(certificate._asdict()))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # which replaces nothing, unlike a rename
        except FileExistsError:  # another process was faster
            return require_certificate(folder)
        except OSError:  # a file system without hard links
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if _is_open(path):
        warnings.warn(
            f"{path} has the mode {_mode(path):o} on this file system: who can read it can take part in the search.",
            stacklevel=2,
        )
    return certificate


def _new_certificate() -> Certificate:
    """Make a key and its certificate, which does not expire."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ModuleNotFoundError as error:
        raise missing_extra("distributed", error) from None
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(1970, 1, 1))
        .not_valid_after(datetime.datetime(9999, 12, 31, 23, 59, 59))  # RFC 5280, 4.1.2.5: no expiration date
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Certificate(certificate.public_bytes(pem).decode(), private.decode())


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _is_open(path: Path) -> bool:
    """Return True if others than the owner may read the file, where the system has modes."""
    return os.name == "posix" and bool(_mode(path) & 0o077)
