"""The commands of webhooks, which need no Kafka and no running process."""

from pathlib import Path

from tests.cli.conftest import Command
from tests.webhooks.test_endpoints import GOOD, SECRET, settings_with


def test_the_commands(command: Command, tmp_path: Path) -> None:
    """A person pauses, resumes and looks, without Kafka; no output has a secret or a URL."""
    # An address and no name: nothing is looked up, and it is refused before a connection.
    settings = settings_with(tmp_path, f"[crm]\n{GOOD}".replace("crm.example", "10.0.0.1"))
    printed = ""
    for words, code, text in [
        (("webhooks", "list"), 0, "works"),
        (("webhooks", "pause", "crm"), 0, "crm is paused"),
        (("webhooks", "list"), 0, "requested"),
        (("webhooks", "list", "--json"), 0, '"state":"paused"'),
        (("webhooks", "resume", "crm"), 0, "crm is resumed"),
        (("webhooks", "given-up"), 0, "number"),
        (("webhooks", "given-up", "--retry", "crm"), 0, "0 events"),
        (("webhooks", "pause", "other"), 2, "other is not an endpoint"),
        (("webhooks", "test", "crm"), 1, "crm: the host has an address that is not public"),
        (("webhooks", "secret"), 0, "whsec_"),
        (("config",), 0, "WA_WEBHOOKS_FILE"),
    ]:
        result = command(*words, settings=settings)
        assert (result.code, text in result.out + result.err) == (code, True), (words, result)
        printed += result.out + result.err
    assert SECRET not in printed
    assert "hidden" not in printed
