"""Settings: where they come from, what an error says, how they are listed."""

import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import pytest

from streams.settings import (
    GROUPS,
    MASK,
    ClientSettings,
    SettingError,
    Settings,
    describe,
    load,
    load_client,
    to_environment,
)

ROOT = Path(__file__).parents[1]


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


def test_environment_wins_over_file_and_options_win_over_both(tmp_path: Path) -> None:
    """The order is file, then environment, then the options of a command."""
    file = tmp_path / "wa.toml"
    file.write_text(
        'max_queue = 5\nmax_retries = 5\naccounts = ["x"]\nkafka_bootstrap_servers = "h:1"\n'
    )
    environ = {"WA_CONFIG": str(file), "WA_MAX_QUEUE": "6", "WA_MAX_RETRIES": "6"}
    settings = load(environ, max_retries=7)
    assert (settings.max_queue, settings.max_retries) == (6, 7)
    assert (settings.accounts, settings.kafka_bootstrap_servers) == (("x",), "h:1")


def test_the_file_may_have_a_table_for_each_group(tmp_path: Path) -> None:
    """Names are the same in a table and at the top."""
    file = tmp_path / "wa.toml"
    file.write_text('accounts = ["x"]\n[limits]\nmax_queue = 5\n[kafka]\npartitions = 2\n')
    settings = load({"WA_CONFIG": str(file)})
    assert (settings.accounts, settings.max_queue, settings.partitions) == (("x",), 5, 2)


def test_a_child_process_reads_back_the_settings_in_force() -> None:
    """A service that `up` starts has the same settings."""
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
        ({"WA_ACCOUNT_WEIGHTS": "main:2"}, "WA_ACCOUNT_WEIGHTS"),
        ({"WA_ACCOUNT_WEIGHTS": "mian=2"}, "mian is not one of WA_ACCOUNTS (main)"),
        ({"WA_ACCOUNT_WEIGHTS": "main=2,main=1"}, "WA_ACCOUNT_WEIGHTS=main=2,main=1: must name"),
        ({"WA_QUIET_HOURS": "21-8"}, "WA_QUIET_HOURS"),
        ({"WA_QUIET_HOURS": "08:00-08:00"}, "WA_QUIET_HOURS"),
        ({"WA_OPT_IN_WORDS": "yes,Stop."}, "Stop. is the same as STOP in WA_OPT_OUT_WORDS"),
        ({"WA_OPT_OUT_WORDS": "STOP,!!!"}, "WA_OPT_OUT_WORDS=STOP,!!!: must be a list"),
        ({"WA_OPT_OUT_REPLY": " "}, "WA_OPT_OUT_REPLY"),
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


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"WA_MAX_QUEUE": "many"}, "WA_MAX_QUEUE=many: must be a whole number, 1 or more"),
        ({"WA_WEB_PORT": "70000"}, "WA_WEB_PORT=70000: must be a port number from 0 to 65535"),
        ({"WA_LOG_FORMAT": "xml"}, "WA_LOG_FORMAT=xml: must be one of text, json"),
        ({"WA_LOG_PII": "a\nb"}, "WA_LOG_PII=a b: must be true or false"),
        ({"WA_ACCOUNTS": "a,a"}, "WA_ACCOUNTS=a,a: must name each account only once"),
        (
            {"WA_MAX_QUEUE": "0", "WA_MAX_RETRIES": "-1"},
            "WA_MAX_QUEUE=0: must be a whole number, 1 or more; "
            "WA_MAX_RETRIES=-1: must be a whole number, 0 or more",
        ),
    ],
)
def test_an_error_says_variable_value_and_need(environ: dict[str, str], message: str) -> None:
    """All wrong settings are in the one line."""
    with pytest.raises(SettingError, match=f"^{re.escape(message)}$"):
        load(environ)


def test_a_wrong_value_in_the_file_is_named_with_the_file(tmp_path: Path) -> None:
    """A person is sent to the file, not to the environment."""
    file = tmp_path / "wa.toml"
    file.write_text("[limits]\nmax_queue = 'many'\n")
    with pytest.raises(SettingError, match=rf"^{file}: max_queue=many: must be a whole number"):
        load({"WA_CONFIG": str(file)})


def test_a_wrong_value_that_is_overridden_does_no_harm() -> None:
    """Only the value in force is checked."""
    assert load({"WA_MAX_QUEUE": "many"}, max_queue=7).max_queue == 7


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    """A misspelt setting must not become a silent default."""
    file = tmp_path / "wa.toml"
    file.write_text("max_que = 5\n")
    with pytest.raises(SettingError, match="max_que"):
        load({"WA_CONFIG": str(file)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_que = 5", "max_que is not a setting; the nearest is max_queue"),
        ("[limits]\nmax_que = 5", "max_que is not a setting; the nearest is max_queue"),
        ("[limit]\nmax_queue = 5", "limit is not a setting"),
        ("[kafka]\nmax_queue = 5", r"max_queue belongs in \[limits\], not in \[kafka\]"),
        ("max_queue = 5\n[limits]\nmax_queue = 6", "max_queue is set twice"),
        ("max_queue =", "is not TOML"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake in the file has a line that says what to do."""
    file = tmp_path / "wa.toml"
    file.write_text(text)
    with pytest.raises(SettingError, match=f"^{file}: {message}") as raised:
        load({"WA_CONFIG": str(file)})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [("WA_ACOUNT_DAILY_CAP", "WA_ACCOUNT_DAILY_CAP"), ("WA_CONFIGS", "WA_CONFIG")],
)
def test_an_unknown_variable_is_refused(variable: str, nearest: str) -> None:
    """A mistyped cap would otherwise mean a ban."""
    with pytest.raises(SettingError, match=rf"^{variable}: is not a setting; .*{nearest}\b"):
        load({variable: "1", "PATH": "/bin"})


def test_an_unknown_option_is_refused() -> None:
    """A caller in Python gets an error too."""
    with pytest.raises(SettingError, match="max_queue"):
        load({}, max_que=1)


def test_secrets_are_never_printed() -> None:
    """Neither the listing, nor an error, nor a repr shows a password or token."""
    settings = load({"WA_KAFKA_SECURITY_PASSWORD": "hunter2", "WA_WEB_TOKEN": "hunter2"})
    listing = describe(settings)
    assert "hunter2" not in str(listing) + repr(settings)
    assert MASK in {row["value"] for row in listing if isinstance(row["value"], str)}


def test_an_error_hides_a_secret(tmp_path: Path) -> None:
    """Even a secret of the wrong type is masked."""
    file = tmp_path / "wa.toml"
    file.write_text("web_token = ['hunter2']\n")
    with pytest.raises(SettingError) as raised:
        load({"WA_CONFIG": str(file)})
    assert str(raised.value) == f"{file}: web_token={MASK}: must be text"


def test_settings_are_frozen_and_replaceable() -> None:
    """A change makes a new object."""
    settings = load({})
    with pytest.raises(FrozenInstanceError):
        settings.max_queue = 1  # type: ignore[misc]
    assert replace(settings, max_queue=1).max_queue == 1
    assert settings.max_queue == 1000


def test_every_setting_is_in_one_group() -> None:
    """The groups together are the settings, in the same order."""
    grouped = [setting.name for class_ in GROUPS.values() for setting in fields(class_)]
    assert grouped == [setting.name for setting in fields(Settings)]
    assert all(isinstance(load({}), class_) for class_ in GROUPS.values())


def test_the_settings_of_the_client_are_loaded_alone(tmp_path: Path) -> None:
    """A program that embeds the client may have variables of its own."""
    file = tmp_path / "wa.toml"
    file.write_text('kafka_bootstrap_servers = "h:1"\npartitions = 3\nmax_queue = 1\n')
    environ = {"WA_CONFIG": str(file), "WA_PARTITIONS": "4", "WA_OF_THE_PROGRAM": "x"}
    expected = {"kafka_bootstrap_servers": "h:1", "partitions": 4, "topic_prefix": "p"}
    data_dir = Path("~/.local/share/wa-streams").expanduser()
    assert load_client(environ, topic_prefix="p") == ClientSettings(data_dir=data_dir, **expected)
    with pytest.raises(SettingError, match=r"^WA_PARTITIONS=0: must be"):
        load_client({"WA_PARTITIONS": "0"})


def test_the_client_needs_no_settings_library() -> None:
    """The client's settings load where typed-settings and its helpers cannot be imported."""
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['typed_settings', 'attr', 'click', 'pydantic', 'structlog']))\n"
        "from streams.settings import load_client; print(load_client({}).topic_prefix)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "wa\n"


def test_the_page_of_settings_is_current() -> None:
    """`python -m streams.settings --markdown > docs/settings.md` writes it."""
    command = [sys.executable, "-m", "streams.settings", "--markdown"]
    page = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert (ROOT / "docs/settings.md").read_text() == page


def test_the_environment_is_read_where_the_loader_says() -> None:
    """The docstring of the loader names every variable that other modules read."""
    loader = ROOT / "streams/settings/loading.py"
    sources = {path: path.read_text() for path in (ROOT / "streams").rglob("*.py")}
    read = {
        variable
        for path, text in sources.items()
        if path.parent != loader.parent
        for variable in re.findall(r"(?:environ(?:\.get\(|\[)|getenv\()\s*\"(\w+)\"", text)
    }
    assert read
    docstring = sources[loader].split('"""')[1]
    assert {variable for variable in read if variable not in docstring} == set()


def test_the_service_links_of_kubernetes_are_not_settings() -> None:
    """A service called `wa-kafka` puts such variables into every container of its namespace."""
    links = {
        "WA_KAFKA_SERVICE_HOST": "10.0.0.1",
        "WA_KAFKA_SERVICE_PORT_HTTP": "80",
        "WA_QUEUE_PORT": "tcp://10.0.0.1:80",
        "WA_QUEUE_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert load({"WA_CONFIG": "", **links}) == load({"WA_CONFIG": ""})
