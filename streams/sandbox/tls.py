"""A self-signed certificate for WhatsApp Web's address. Only a browser that is given its key accepts it.

Two arguments bring Chromium to the sandbox: one maps the address to it, the other trusts this key and
no other. No certificate may be installed anywhere, and no program needs a switch for tests.
"""

import base64
import hashlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from streams.system.files import write_atomic

HOST = "web.whatsapp.com"
# Chromium checks the key alone; the dates are for other clients.
_VALID_DAYS = 3650


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """Key and certificate in one file, and the fingerprint by which a browser knows the key."""

    file: Path
    fingerprint: str

    def server_context(self) -> ssl.SSLContext:
        """The TLS context of a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        return context

    def browser_args(self, page_port: int) -> list[str]:
        """Arguments with which Chromium finds the address here, trusts it, and reaches nothing else."""
        rules = f"MAP {HOST} 127.0.0.1:{page_port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        return [
            f"--host-resolver-rules={rules}",
            f"--ignore-certificate-errors-spki-list={self.fingerprint}",
        ]


def load_or_create_identity(folder: Path) -> TlsIdentity:
    """Load the identity in this folder, or create it: browsers must trust a restarted sandbox again."""
    file = folder / "certificate.pem"
    if not file.exists():
        write_atomic(file, _create_pem(), mode=0o600)
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return TlsIdentity(file, base64.b64encode(hashlib.sha256(key).digest()).decode())


def _create_pem() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private_key + certificate.public_bytes(Encoding.PEM)
