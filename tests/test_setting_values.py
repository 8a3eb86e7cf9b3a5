"""Values of settings: accepted as people write them, and refused with a remedy if they could not be used."""

import re
from pathlib import Path

import pytest

from streams.settings import SettingError, load


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("DEFAULT_REGION", "XX", "is not a country with phone numbers; did you mean"),
        ("DEFAULT_REGION", "UK", "is not a country with phone numbers; did you mean GB?"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka", "kafka has no port; write for example kafka:9092"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1,b", "b has no port; write for example b:9092"),
        ("KAFKA_BOOTSTRAP_SERVERS", "::1", "::1 has no port; write for example [::1]:9092"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1,", "has an empty address; remove the comma"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:99999", "'99999' is not a port"),
        (
            "KAFKA_BOOTSTRAP_SERVERS",
            "kafka://a:1",
            "must have the form host:port, without kafka://",
        ),
        ("PARTITIONS", "100000", "must be a whole number of partitions from 1 to 1000"),
        ("REPLICATION_FACTOR", "-2", "must be a whole number of replicas"),
        ("WARM_UP", "on", "must be off, default, or steps like 1:20/50"),
        ("WARM_UP", "1:20/50,3:10/60", "the step of day 3 must not allow less than the one before"),
        ("SEND_JITTER_PERCENT", "-1", "must be a percentage from 0 to 1000"),
        ("IDEMPOTENCY_WINDOW_S", "7799", "set at least 7800, or a shorter WA_UNKNOWN_AFTER_S"),
        ("RUNBOOK_URL", "javascript:{alert}", "must be an address that begins with https://"),
        ("RUNBOOK_URL", "https://wiki.example/runbook", "must contain {alert}"),
        ("WHATSAPP_URL", "web.whatsapp.com", "must be an address that begins with https://"),
    ],
)
def test_a_value_that_is_only_wrong_in_use_is_refused(
    tmp_path: Path, variable: str, value: str, remedy: str
) -> None:
    """The line names the setting and what to write, and the file if it stands there."""
    with pytest.raises(SettingError, match=f"^WA_{variable}=.*{re.escape(remedy)}"):
        load({"WA_CONFIG": "", f"WA_{variable}": value})
    file = tmp_path / "settings.toml"
    file.write_text(f'{variable.lower()} = "{value}"')
    with pytest.raises(SettingError, match=f"^{re.escape(str(file))}: .*{re.escape(remedy)}"):
        load({"WA_CONFIG": str(file)})


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("LOG_PII", "on", True),
        ("LOG_PII", "No", False),
        ("LOG_PII", "YES", True),
        ("LOG_LEVEL", "WARNING", "warning"),
        ("LOG_FORMAT", "Json", "json"),
        ("KAFKA_SECURITY_MECHANISM", "scram-sha-512", "SCRAM-SHA-512"),
        ("DEFAULT_REGION", "my", "MY"),
        ("KAFKA_BOOTSTRAP_SERVERS", "[::1]:9092", "[::1]:9092"),
    ],
)
def test_values_are_accepted_as_people_write_them(
    tmp_path: Path, variable: str, value: str, expected: object
) -> None:
    """Upper and lower case do not matter where a value has one case, neither here nor in the file."""
    loaded = load({"WA_CONFIG": "", f"WA_{variable}": value})
    assert getattr(loaded, variable.lower()) == expected
    file = tmp_path / "settings.toml"
    file.write_text(f'WA_{variable} = "{value}"')
    assert getattr(load({"WA_CONFIG": str(file)}), variable.lower()) == expected


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        (
            "MEDIA_ALLOWED_NETWORKS",
            "10.0.0.1/8",
            "has host bits set; write for example 10.1.0.0/16",
        ),
        ("MEDIA_ALLOWED_NETWORKS", "127.0.0.1,intranet", "is an IP address or a network"),
        ("MEDIA_SCHEMES", "s3,file", "file does not name a remote store; write for example s3"),
    ],
)
def test_an_item_that_is_only_wrong_in_use_is_refused(
    variable: str, value: str, remedy: str
) -> None:
    """The same for an item of a list."""
    with pytest.raises(SettingError, match=f"^WA_{variable}=.*{re.escape(remedy)}"):
        load({"WA_CONFIG": "", f"WA_{variable}": value})
