"""The file of the endpoints: what cannot be used is refused in one line, and no secret is shown."""

from dataclasses import replace
from pathlib import Path

import pytest

from streams.settings import SettingError, Settings
from streams.webhooks.endpoints import load_endpoints, make_secret
from streams.webhooks.payload import build_headers, make_webhook_id

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8G"
GOOD = f'url = "https://crm.example/hooks?key=hidden"\nsecret = "{SECRET}"\n'


def settings_with(tmp_path: Path, text: str) -> Settings:
    """Settings whose file has this text."""
    path = tmp_path / "webhooks.toml"
    path.write_text(text)
    return replace(Settings(), data_dir=tmp_path, webhooks_file=str(path))


def test_a_full_file(tmp_path: Path) -> None:
    """Two endpoints, one of them with everything; without filters, an endpoint gets every event."""
    text = (
        f'[crm]\n{GOOD}[audit]\nurl = "https://audit.example"\nsecret = ["{SECRET}", "{make_secret()}"]\n'
        'topics = ["status"]\ntypes = ["wa.message.failed"]\n'
    )
    endpoints = load_endpoints(settings_with(tmp_path, text))
    assert list(endpoints) == ["crm", "audit"]
    assert endpoints["crm"].topics == ("status", "inbound")
    assert endpoints["crm"].wants("wa.message.received")
    assert endpoints["audit"].topics == ("status",)
    assert not endpoints["audit"].wants("wa.message.sent")
    headers = build_headers(endpoints["audit"].signers, make_webhook_id("status", "x"), b"{}", 1.5)
    assert headers["webhook-timestamp"] == "1"
    assert len(headers["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[crm", "is not TOML"),
        (f"[CRM]\n{GOOD}", "must be a name"),
        ("crm = 1", "Expected `object`"),
        (f'[crm]\nsecret = "{SECRET}"', "missing required field `url`"),
        (f"[crm]\n{GOOD}tpoics = []", "unknown field `tpoics`"),
        (f'[crm]\n{GOOD}topics = ["dlq"]', "Invalid enum value"),
        (f'[crm]\n{GOOD}types = ["sent"]', "'sent' is not an event type"),
        (f"[crm]\n{GOOD}types = []", "length >= 1"),
        (f'[crm]\nurl = "http://a.example"\nsecret = "{SECRET}"', "allow_http"),
        (f'[crm]\nurl = "https://u:hidden@a.example"\nsecret = "{SECRET}"', "no user"),
        (f'[crm]\nurl = "ftp://a.example/hidden"\nsecret = "{SECRET}"', "must begin with https"),
        (f'[crm]\nurl = "https://[hidden"\nsecret = "{SECRET}"', "is not a URL"),
        ('[crm]\nurl = "https://a.example"\nsecret = "whsec_hidden"', "must be whsec_"),
        (f'[crm]\nurl = "https://a.example"\nsecret = "{SECRET[6:]}"', "must be whsec_"),
        ('[crm]\nurl = "https://a.example"\nsecret = []', "secret: is missing"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """The line names the file and the endpoint, and shows neither a secret nor a URL."""
    with pytest.raises(SettingError) as error:
        load_endpoints(settings_with(tmp_path, text))
    message = str(error.value)
    assert problem in message
    assert message.startswith("WA_WEBHOOKS_FILE=")
    assert "hidden" not in message
    assert SECRET not in message
    assert SECRET[6:] not in message


def test_an_endpoint_has_no_secret_in_its_text(tmp_path: Path) -> None:
    """Neither `repr` nor `str`, which a log may print."""
    (endpoint,) = load_endpoints(settings_with(tmp_path, f"[crm]\n{GOOD}")).values()
    assert f"{endpoint!r} {endpoint}" == "Endpoint(crm) Endpoint(crm)"
