"""What a first use fetches, with an npm that is a small script. No network, no browser."""

from dataclasses import replace
from pathlib import Path

import pytest

from streams.embedded_kafka import jars
from streams.operations import installation
from streams.settings import Settings, load
from streams.whatsapp.errors import BundleMissing
from streams.whatsapp.install import bundle, executable

_NPM = """#!/bin/sh
mkdir -p node_modules/@wppconnect/wa-js/dist
echo bundle > node_modules/@wppconnect/wa-js/dist/wppconnect-wa.js
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An empty cache, a Kafka and a browser that are configured, and an npm."""
    programs = {"npm": _NPM, "chromium": "#!/bin/sh\nexit 1\n"}
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return load(
        {"WA_CONFIG": ""},
        kafka_bootstrap_servers="127.0.0.1:1",
        browser_executable=str(tmp_path / "chromium"),
    )


def test_a_first_use_fetches_what_a_sender_lacks(settings: Settings, tmp_path: Path) -> None:
    """It fetches wa-js and reports progress; a sender needs no embedded broker."""
    lines: list[str] = []
    installation.install_for_browser(settings, lines.append)
    assert bundle.is_installed()
    assert lines[0].startswith(f"$ {tmp_path / 'npm'} ci")
    assert not jars.is_installed()


def test_a_chromium_that_is_found_is_not_started(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`up` calls this at every start; only `setup` tries the browser out."""
    marker = tmp_path / "started"
    (tmp_path / "chromium").write_text(f"#!/bin/sh\ntouch {marker}\n")
    chromium = executable.find_chromium(settings.browser_executable)
    monkeypatch.setattr(executable, "find_chromium", lambda _: chromium)
    unconfigured = replace(settings, browser_executable=None)
    installation.install_for_browser(unconfigured, lambda _: None)
    assert not marker.exists()


def test_setup_fetches_nothing_that_is_configured(settings: Settings, tmp_path: Path) -> None:
    """A configured Kafka needs no jars, and a configured browser or bundle is used unchanged."""
    installed = installation.install_all(settings, lambda _: None)
    assert installed == {"wa-js": bundle.find_bundle(None), "browser": tmp_path / "chromium"}
    configured = load(
        {"WA_CONFIG": ""},
        kafka_bootstrap_servers="127.0.0.1:1",
        browser_executable=str(tmp_path / "chromium"),
        whatsapp_bundle=str(tmp_path / "none.js"),
    )
    with pytest.raises(BundleMissing, match=r"WA_WHATSAPP_BUNDLE=.*none\.js is not a file"):
        installation.install_all(configured, lambda _: None)
