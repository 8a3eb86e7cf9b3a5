"""How Kafka is reached: from the settings to a real broker that requires encryption and a password."""

import datetime
import ipaddress
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin, connection
from streams.kafka.connection import KafkaUnreachable
from streams.runtime.factory import faust_broker
from streams.settings import SettingError, Settings, load
from streams.system import network
from tests.support.broker import make_settings

PASSWORD = "not guessed"


@dataclass(frozen=True)
class Secured:
    """A broker that requires a password over TLS at one port, and a certificate at another."""

    plain: str
    sasl: str
    mutual: str
    certificate: Path  # of the broker, its own authority, and of its clients too


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A real Kafka with two more listeners."""
    folder = tmp_path_factory.mktemp("secured")
    pem = _certificate(folder / "broker.pem")
    plain, *others = network.find_several_free(4)
    broker = EmbeddedBroker(folder, plain, extra_properties=_listeners(pem, plain, *others))
    broker.start()
    sasl, mutual, _ = others
    yield Secured(f"127.0.0.1:{plain}", f"localhost:{sasl}", f"localhost:{mutual}", pem)
    broker.stop()
    shutil.rmtree(broker.directory / "log")


def _listeners(pem: Path, plain: int, sasl: int, mutual: int, controller: int) -> dict[str, str]:
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    public = f"PLAINTEXT://127.0.0.1:{plain},SASLSSL://localhost:{sasl},MUTUAL://localhost:{mutual}"
    return {
        "listeners": f"{public},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"{public},CONTROLLER://127.0.0.1:{controller}",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
        "listener.security.protocol.map": (
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASLSSL:SASL_SSL,MUTUAL:SSL"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(pem),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(pem),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.saslssl.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.saslssl.plain.sasl.jaas.config": f'{login} user_us="{PASSWORD}";',
    }


def _certificate(pem: Path) -> Path:
    """A key and its self-signed certificate for this machine, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    addresses = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return pem


@pytest.fixture
def with_password(secured: Secured, tmp_path: Path) -> Settings:
    """Settings for a SASL_SSL listener."""
    return load(
        {},
        kafka_bootstrap_servers=secured.sasl,
        topic_prefix="secured",
        data_dir=tmp_path,
        kafka_security_protocol="SASL_SSL",
        kafka_security_mechanism="PLAIN",
        kafka_security_username="us",
        kafka_security_password=PASSWORD,
        kafka_security_ca_file=str(secured.certificate),
    )


@pytest.fixture
def with_certificate(secured: Secured, tmp_path: Path) -> Settings:
    """Settings for a listener that requires a client's certificate."""
    return load(
        {},
        kafka_bootstrap_servers=secured.mutual,
        data_dir=tmp_path,
        kafka_security_protocol="SSL",
        kafka_security_ca_file=str(secured.certificate),
        kafka_security_cert_file=str(secured.certificate),
    )


async def _count(settings: Settings) -> int:
    async with connection.admin_client(settings) as client:
        return len((await client.describe_cluster())["brokers"])


async def _faust_count(settings: Settings) -> int:
    """Count with the options that Faust derives from our credentials."""
    (url,), credentials = faust_broker(settings)
    client = AIOKafkaAdminClient(
        bootstrap_servers=f"{url.host}:{url.port}", **credentials_to_aiokafka_auth(credentials)
    )
    try:
        await client.start()
        return len((await client.describe_cluster())["brokers"])
    finally:
        await client.close()


@pytest.mark.broker
async def test_a_password_over_tls(
    with_password: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Topics can be created, and a Faust app is accepted too. The password is not logged, at any level."""
    caplog.set_level(logging.DEBUG)
    await admin.create_topics(with_password)
    assert await admin.check_topics(with_password) == []
    assert await _faust_count(with_password) == 1
    assert caplog.messages != []
    assert PASSWORD not in caplog.text


@pytest.mark.broker
async def test_a_client_certificate(with_certificate: Settings) -> None:
    """The broker identifies the client by its certificate, and accepts a Faust app too."""
    assert await _count(with_certificate) == 1
    assert await _faust_count(with_certificate) == 1


WRONG_CONNECTIONS = {
    "wrong password": (
        {"kafka_security_password": "guessed"},
        r"refuses the login: check WA_KAFKA_SECURITY_USERNAME and WA_KAFKA_SECURITY_PASSWORD",
    ),
    "wrong user": (
        {"kafka_security_username": "nobody"},
        r"refuses the login: check WA_KAFKA_SECURITY_USERNAME",
    ),
    "missing CA": (
        {"kafka_security_ca_file": None},
        r"certificate of localhost:\d+ is not trusted .*: set WA_KAFKA_SECURITY_CA_FILE",
    ),
    "wrong mechanism": (
        {"kafka_security_mechanism": "SCRAM-SHA-512"},
        r"does not offer this way to log in: check WA_KAFKA_SECURITY_MECHANISM",
    ),
    "login is missing": (
        {"kafka_security_protocol": "SSL"},
        r"closed the connection: .*requires a login",
    ),
    "TLS is missing": (
        {"kafka_security_protocol": "PLAINTEXT"},
        r"probably requires TLS or a login; check WA_KAFKA_SECURITY_PROTOCOL",
    ),
    "no TLS there": (
        {"kafka_bootstrap_servers": "plain"},
        r"does not speak TLS.*WA_KAFKA_SECURITY_PROTOCOL",
    ),
    "no login there": (
        {"kafka_bootstrap_servers": "plain", "kafka_security_protocol": "SASL_PLAINTEXT"},
        r"has no login: WA_KAFKA_SECURITY_PROTOCOL should be PLAINTEXT or SSL",
    ),
    "nothing listens": (
        {"kafka_bootstrap_servers": "localhost:1"},
        r"nothing listens at localhost:1: start Kafka",
    ),
    "unknown name": (
        {"kafka_bootstrap_servers": "no-such-host.invalid:9092"},
        r"the name in no-such-host.invalid:9092 is not known",
    ),
}


@pytest.mark.broker
@pytest.mark.parametrize("case", sorted(WRONG_CONNECTIONS))
async def test_a_client_that_is_not_accepted_gets_the_reason(
    with_password: Settings, secured: Secured, case: str
) -> None:
    """Each wrong setting gives its own line, which names the setting and no secret."""
    wrong, reason = WRONG_CONNECTIONS[case]
    changed = {name: secured.plain if value == "plain" else value for name, value in wrong.items()}
    with pytest.raises(KafkaUnreachable, match=reason) as raised:
        await _count(replace(with_password, **changed))
    message = str(raised.value)
    assert "\n" not in message and "guessed" not in message and PASSWORD not in message


@pytest.mark.broker
async def test_without_encryption(settings: Settings) -> None:
    """Faust gets the address of the session's broker, and no credentials."""
    assert await _count(settings) == 1
    assert await _faust_count(settings) == 1
    assert faust_broker(settings)[1] is None


def test_several_brokers_may_be_named(tmp_path: Path) -> None:
    """The setting has the form that Kafka's own tools accept."""
    settings = load({}, kafka_bootstrap_servers="a:1, b:2", data_dir=tmp_path)
    urls, _ = faust_broker(settings)
    assert [str(url) for url in urls] == ["kafka://a:1", "kafka://b:2"]
    assert connection.client_options(settings)["bootstrap_servers"] == "a:1, b:2"


@pytest.mark.broker
async def test_without_an_address_the_embedded_broker_is_used(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """It is the broker of this data folder; if the folder never had one, the error says what to do."""
    settings = make_settings(broker, broker.directory.parent)
    assert await _count(replace(settings, kafka_bootstrap_servers=None)) == 1
    with pytest.raises(
        KafkaUnreachable, match=r"set WA_KAFKA_BOOTSTRAP_SERVERS, or run `wa-streams up`"
    ):
        connection.bootstrap_servers(load({}, data_dir=tmp_path))


def test_an_unreadable_certificate_is_reported(tmp_path: Path) -> None:
    """The file is missing, or is not a certificate."""
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    for file in (rubbish, tmp_path / "missing.pem"):
        settings = load(
            {},
            kafka_bootstrap_servers="a:1",
            kafka_security_protocol="SSL",
            kafka_security_ca_file=str(file),
        )
        with pytest.raises(SettingError, match="WA_KAFKA_SECURITY_CA_FILE"):
            connection.client_options(settings)


async def test_an_address_without_a_broker_is_reported_plainly(tmp_path: Path) -> None:
    """One line has the address from the settings, and no internals of a library."""
    settings = load({}, kafka_bootstrap_servers="127.0.0.1:1", data_dir=tmp_path)
    with pytest.raises(KafkaUnreachable) as raised:
        await _count(settings)
    assert str(raised.value) == (
        "Kafka cannot be reached: nothing listens at 127.0.0.1:1: "
        "start Kafka, or correct WA_KAFKA_BOOTSTRAP_SERVERS"
    )
