"""Settings: where they come from, and what is said of wrong ones."""

from pathlib import Path

import pytest

from streams.settings import MASK, SettingError, describe, load, to_environment


def test_defaults_are_those_of_the_contract() -> None:
    """What users read in the contract is what they get."""
    settings = load({})
    assert (settings.rate_limit_per_minute, settings.max_queue, settings.max_retries) == (
        30,
        1000,
        3,
    )
    assert (settings.send_interval_ms, settings.retry_delay_ms) == (100, 5000)
    assert (settings.lookup_cache_s, settings.lookup_cache_found_s) == (600, 604_800)
    assert settings.kafka_bootstrap_servers is None


def test_environment_wins_over_file_and_given_over_both(tmp_path: Path) -> None:
    """File, then environment, then what a command was given."""
    file = tmp_path / "wa.toml"
    file.write_text(
        'max_queue = 5\nmax_retries = 5\naccounts = ["x"]\nkafka_bootstrap_servers = "h:1"\n'
    )
    environ = {"WA_CONFIG": str(file), "WA_MAX_QUEUE": "6", "WA_MAX_RETRIES": "6"}
    settings = load(environ, max_retries=7)
    assert (settings.max_queue, settings.max_retries) == (6, 7)
    assert (settings.accounts, settings.kafka_bootstrap_servers) == (("x",), "h:1")


def test_what_children_are_told_is_what_is_in_force() -> None:
    """A part that `up` starts reads back the same settings."""
    settings = load(
        {}, accounts=["a", "b"], whatsapp_browser_args=["--x=1, 2", "--y"], data_dir="/tmp/d"
    )
    assert load(to_environment(settings)) == settings


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"WA_MAX_QUEUE": "many"}, "WA_MAX_QUEUE"),
        ({"WA_MAX_QUEUE": "0"}, "WA_MAX_QUEUE"),
        ({"WA_KAFKA_PORT": "70000"}, "WA_KAFKA_PORT"),
        ({"WA_ACCOUNTS": "Not A Name"}, "WA_ACCOUNTS"),
        ({"WA_ACCOUNTS": "a,a"}, "WA_ACCOUNTS"),
        ({"WA_DEFAULT_REGION": "Malaysia"}, "WA_DEFAULT_REGION"),
        ({"WA_LOG_LEVEL": "loud"}, "WA_LOG_LEVEL"),
        ({"WA_KAFKA_SECURITY_PROTOCOL": "TLS"}, "WA_KAFKA_SECURITY_PROTOCOL"),
        ({"WA_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "WA_KAFKA_SECURITY_USERNAME"),
        ({"WA_WEB_HOST": "0.0.0.0"}, "WA_WEB_TOKEN"),
        ({"WA_CONFIG": "/nowhere/wa.toml"}, "WA_CONFIG"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(environ: dict[str, str], named: str) -> None:
    """The message names the variable, so that nobody has to search."""
    with pytest.raises(SettingError) as raised:
        load(environ)
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_name_in_the_file_is_told(tmp_path: Path) -> None:
    """A misspelt setting is no silent default."""
    file = tmp_path / "wa.toml"
    file.write_text("max_que = 5\n")
    with pytest.raises(SettingError, match="max_que"):
        load({"WA_CONFIG": str(file)})


def test_secrets_are_never_printed() -> None:
    """Neither the listing nor an error shows a password or token."""
    settings = load({"WA_KAFKA_SECURITY_PASSWORD": "hunter2", "WA_WEB_TOKEN": "hunter2"})
    listing = describe(settings)
    assert "hunter2" not in str(listing)
    assert MASK in {row["value"] for row in listing if isinstance(row["value"], str)}
