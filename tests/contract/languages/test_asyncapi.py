"""The AsyncAPI document, read by the official parser."""

from streams.contract.export import files
from tests.contract.languages.tools import run_node

ERROR_OR_WARNING = (0, 1)


def test_the_official_parser_accepts_the_asyncapi_document() -> None:
    """There is no error and no warning, and every payload is a schema of the same folder."""
    report = run_node("asyncapi.mjs", {"file": str(files.OUTPUT_DIR / "asyncapi.json")})
    assert [d for d in report["diagnostics"] if d["severity"] in ERROR_OR_WARNING] == []
    assert report["messages"] == {
        "request": {"payload": "Request", "headers": "object"},
        "batch": {"payload": "BatchRequest", "headers": None},
        "cancel": {"payload": "CancelRequest", "headers": None},
        "consent": {"payload": "ConsentRequest", "headers": None},
        "forget": {"payload": "ForgetRequest", "headers": None},
        "edit": {"payload": "EditRequest", "headers": None},
        "revoke": {"payload": "RevokeRequest", "headers": None},
        "batchProgress": {"payload": "BatchProgress", "headers": None},
        "status": {"payload": "StatusEvent", "headers": "object"},
        "deadLetter": {"payload": None, "headers": "object"},
        "inbound": {"payload": "InboundMessage", "headers": "object"},
        "account": {"payload": "AccountRecord", "headers": None},
        "template": {"payload": "Template", "headers": None},
        "alert": {"payload": "AlertRecord", "headers": None},
    }
