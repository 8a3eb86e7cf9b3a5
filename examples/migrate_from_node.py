"""Moves from the earlier Node service: its configuration becomes wa-streams.toml, its waiting messages become requests.

    python migrate_from_node.py config old.json > wa-streams.toml
    python migrate_from_node.py queue HOST:PORT < waiting.jsonl

A waiting message is a line `{"phoneNumber": …, "message": …}`. Its id follows from its content and its number in the
file, so the command can be repeated after Ctrl-C, and nothing is sent twice.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

from streams.client import SyncWhatsApp

# A setting of the earlier service: that of wa-streams, and what becomes of its value.
SETTINGS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "rateLimitPerMinute": ("rate_limit_per_minute", int),
    "maxQueueSize": ("max_queue", int),
    "messageProcessInterval": ("send_interval_ms", int),
    "cacheExpiryTime": ("lookup_cache_s", lambda milliseconds: int(milliseconds) // 1000),
    "maxRetries": ("max_retries", int),
    "retryDelay": ("retry_delay_ms", int),
    "conversationStateExpiry": (
        "conversation_expiry_s",
        lambda milliseconds: int(milliseconds) // 1000,
    ),
    "PUPPETEER_EXECUTABLE_PATH": ("browser_executable", str),
}


def convert_settings(old: dict[str, Any]) -> str:
    """The settings file. What has no successor is a comment, so that nothing is dropped in silence."""
    lines = []
    for name, value in old.items():
        new_name, convert = SETTINGS.get(name, ("", str))
        lines.append(
            f"{new_name} = {json.dumps(convert(value))}" if new_name else f"# no successor: {name}"
        )
    return "\n".join(lines) + "\n"


def build_requests(lines: Iterable[str]) -> list[dict[str, Any]]:
    """A request for each waiting message."""
    requests = []
    for number, line in enumerate(lines):
        message = json.loads(line)
        digest = hashlib.sha256(f"{number}:{line.strip()}".encode()).hexdigest()[:32]
        requests.append({"id": f"migrated-{digest}", **message})
    return requests


def main(command: str, argument: str) -> None:
    """Run one of the two commands."""
    if command == "config":
        with open(argument) as file:
            print(convert_settings(json.load(file)), end="")
        return
    with SyncWhatsApp(kafka=argument) as whatsapp:
        responses = whatsapp.send_batch(build_requests(sys.stdin))
    print(f"{len(responses)} requests")


if __name__ == "__main__":
    main(*sys.argv[1:])
