"""The world on disk: a journal with one event a line. Nobody may learn of an event before it is written.

Each event is one `write` to the system, so a recorded event survives a SIGKILL of the sandbox. The file
is not synced, so it may not survive a power cut. A line that a kill has cut short was reported to no client,
and is dropped.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from streams.sandbox.state.events import AnyEvent
from streams.sandbox.state.world import World

E = TypeVar("E", bound=AnyEvent)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)


class Store:
    """The world, and the file from which it can be read again. One owner at a time (app.py)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.world = self._replay()

    def record(self, event: E) -> E:
        """Write the event, then apply it to the world. Returns it with `seq` and `at`."""
        at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        event = msgspec.structs.replace(event, seq=self.world.last_seq + 1, at=at)
        os.write(self._file, _encoder.encode(event) + b"\n")
        self.world.apply(event)
        return event

    def reset(self) -> None:
        """Start a world without events."""
        os.ftruncate(self._file, 0)
        self.world = World()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _replay(self) -> World:
        world = World()
        valid_bytes = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                world.apply(_decoder.decode(line))
                valid_bytes += len(line)
        os.ftruncate(self._file, valid_bytes)
        return world
