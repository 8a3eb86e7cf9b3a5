"""The files of URLs without a network, for tests of the sender."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from streams.media.errors import MediaError
from streams.media.source import FetchedFile


@dataclass(eq=False)
class FakeMedia:
    """The files of URLs: a path, an error, or one that comes when its event is set."""

    files: dict[str, Path | MediaError] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    max_file_bytes: int = 1 << 20
    in_use: set[Path] = field(default_factory=set)
    requested: list[str] = field(default_factory=list)

    async def fetch(
        self, url: str, *, max_bytes: int, message_id: str, wait_s: float
    ) -> FetchedFile:
        """The file, once it is there."""
        self.requested.append(url)
        if url in self.gates:
            await self.gates[url].wait()
        file = self.files[url]
        if isinstance(file, MediaError):
            raise file
        self.in_use.add(file)
        size = file.stat().st_size
        return FetchedFile(file, size, "", None, lambda: self.in_use.discard(file))
