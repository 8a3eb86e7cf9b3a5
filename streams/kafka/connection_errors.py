"""Why a broker could not be reached: the error of each connection that failed, in words that name the setting.

aiokafka logs the reason and raises "unable to bootstrap": a wrong password, a missing certificate and a stopped
broker would look alike. Every connection of this process records its failure here (timeouts.py). No secret is in
any of these sentences.
"""

import socket
import ssl
from collections.abc import Iterator

from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

Address = tuple[str, int]

_PROTOCOL = "WA_KAFKA_SECURITY_PROTOCOL"
_errors: dict[Address, tuple[BaseException, bool]] = {}


def record_failure(address: Address, error: BaseException, *, is_tls: bool) -> None:
    """The connection to this broker failed, or the broker has closed it."""
    _errors[address] = error, is_tls


def record_success(address: Address) -> None:
    """The broker accepted a connection."""
    _errors.pop(address, None)


def describe_failures(addresses: str) -> str | None:
    """What is wrong at the first of these addresses (`host:port,…`) that failed; None: nothing is known."""
    for host, port in _split(addresses):
        failure = _errors.get((host, port))
        if failure is not None:
            return describe(f"{host}:{port}", *failure)
    return None


def describe(broker: str, error: BaseException, is_tls: bool) -> str:
    """What the error of a connection means, and what to do."""
    for cause in _iterate_causes(error):
        sentence = _describe_cause(broker, cause) or _describe_closed(broker, cause, is_tls)
        if sentence is not None:
            return sentence
    return f"{broker}: {' '.join(str(error).split()) or type(error).__name__}"


def _describe_cause(broker: str, cause: BaseException) -> str | None:
    if isinstance(cause, ssl.SSLError):
        return _describe_tls(broker, cause)
    if isinstance(cause, UnsupportedSaslMechanismError | IllegalSaslStateError):
        return _describe_sasl(broker, cause)
    if isinstance(cause, AuthenticationFailedError | SaslAuthenticationFailed):
        return (
            f"{broker} refuses the login: "
            "check WA_KAFKA_SECURITY_USERNAME and WA_KAFKA_SECURITY_PASSWORD"
        )
    if isinstance(cause, socket.gaierror):
        return f"the name in {broker} is not known: check WA_KAFKA_BOOTSTRAP_SERVERS"
    if isinstance(cause, ConnectionRefusedError):
        return f"nothing listens at {broker}: start Kafka, or correct WA_KAFKA_BOOTSTRAP_SERVERS"
    if isinstance(cause, TimeoutError):
        return (
            f"{broker} accepts connections and answers nothing: it is suspended or overloaded, "
            f"or it does not speak this protocol ({_PROTOCOL})"
        )
    return None


def _describe_closed(broker: str, cause: BaseException, is_tls: bool) -> str | None:
    """A broker does not say why it closes a connection that it does not understand."""
    is_closed = isinstance(cause, ConnectionResetError | BrokenPipeError | EOFError) or (
        isinstance(cause, KafkaConnectionError) and "closed" in str(cause).lower()
    )
    if not is_closed:
        return None
    if is_tls:
        return (
            f"{broker} closed the connection: it does not speak TLS, or it requires a login or a client "
            f"certificate; check {_PROTOCOL} and WA_KAFKA_SECURITY_CERT_FILE"
        )
    return f"{broker} closed the connection: it probably requires TLS or a login; check {_PROTOCOL}"


def _describe_tls(broker: str, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if "match" in error.verify_message.lower():
            return (
                f"the certificate of {broker} is for another name ({error.verify_message}): use the name "
                "in it in WA_KAFKA_BOOTSTRAP_SERVERS"
            )
        return (
            f"the certificate of {broker} is not trusted ({error.verify_message}): set "
            "WA_KAFKA_SECURITY_CA_FILE to the certificate that signed it"
        )
    if error.reason in (
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "UNEXPECTED_EOF_WHILE_READING",
    ):
        return f"{broker} does not speak TLS: {_PROTOCOL} should be PLAINTEXT or SASL_PLAINTEXT"
    return (
        f"{broker} refuses the TLS connection ({error.reason or error}): check "
        "WA_KAFKA_SECURITY_CA_FILE, _CERT_FILE and _KEY_FILE"
    )


def _describe_sasl(broker: str, error: BaseException) -> str:
    if isinstance(error, IllegalSaslStateError):
        return f"{broker} has no login: {_PROTOCOL} should be PLAINTEXT or SSL"
    _, _, enabled = str(error).partition("Enabled mechanisms are: ")
    names = ", ".join(name.strip("' ") for name in enabled.strip("[]()").split(",") if name.strip())
    offer = f"; it offers {names}" if names else ""
    return f"{broker} does not offer this way to log in: check WA_KAFKA_SECURITY_MECHANISM{offer}"


def _iterate_causes(error: BaseException) -> Iterator[BaseException]:
    """The first cause first: it says most."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    return reversed(causes)


def _split(addresses: str) -> Iterator[Address]:
    for address in addresses.split(","):
        host, _, port = address.strip().rpartition(":")
        if port.isdigit():
            yield host.strip("[]"), int(port)
