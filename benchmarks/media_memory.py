"""Memory while a large document is fetched by its URL and given to the page: the highest PSS of each process, in MB.

    python -m benchmarks.media_memory [--mb 100]

A web server on loopback makes the bytes while it sends them. Then the same document as base64 in the content, for
comparison: as a request would hold it, if a record could be so large.
"""

import argparse
import asyncio
import base64
import contextlib
import gc
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from benchmarks.browser_common import PEER_CHAT, machine, ready_driver, sandbox
from benchmarks.browser_memory import pss_mb
from streams.domain.addresses import parse_networks
from streams.media.cache import MediaCache
from streams.media.source import MediaSource
from streams.media.web import WebClient
from streams.whatsapp.driver import ServerAccepted, Submission
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb

_MIB = 1 << 20
_PIECE = bytes(range(256)) * 256
_EVERY_S = 0.05


@contextlib.asynccontextmanager
async def document_server(size: int) -> AsyncIterator[str]:
    """Serves a document of this size, which is never whole in memory."""

    async def send(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(size)})
        await response.prepare(request)
        for _ in range(size // len(_PIECE)):
            await response.write(_PIECE)
        return response

    app = web.Application()
    app.router.add_get("/large.bin", send)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/large.bin"
    await runner.cleanup()


class Highest:
    """The highest PSS of each process from `start` to `stop`, above what it was before."""

    async def __aenter__(self) -> "Highest":
        gc.collect()
        self.before = pss_mb()
        self.highest = dict(self.before)
        self._task = asyncio.create_task(self._watch())
        self._start_s = time.monotonic()
        return self

    async def _watch(self) -> None:
        while True:
            for name, value in (await asyncio.to_thread(pss_mb)).items():
                self.highest[name] = max(self.highest[name], value)
            await asyncio.sleep(_EVERY_S)

    async def __aexit__(self, *_: object) -> None:
        self.duration_s = time.monotonic() - self._start_s
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def show(self, name: str) -> None:
        """Print it."""
        terms = ", ".join(
            f"{process} {before:.0f} → {self.highest[process]:.0f}"
            for process, before in self.before.items()
        )
        print(f"    {name:26} {self.duration_s:5.1f} s   {terms}")


async def submit(driver: WhatsAppWeb, id: str, path: Path | None, **content: object) -> None:
    document = {"type": "document", "filename": "large.bin", **content}
    deadline_mono_s = time.monotonic() + 300
    submission = Submission(id, PEER_CHAT, document, deadline_mono_s, None, 60, media_path=path)
    result = await driver.submit(submission)
    assert isinstance(result, ServerAccepted), result


async def main(mb: int) -> None:
    print(machine())
    print(f"a document of {mb} MiB: highest PSS in MB, before → during")
    with tempfile.TemporaryDirectory() as text, sandbox(Path(text)) as whatsapp:
        folder = Path(text)
        cache = MediaCache(folder / "media", "benchmark", max_bytes=4096 * _MIB, max_age_s=300)
        source = MediaSource(
            cache,
            {"http": WebClient(parse_networks(["127.0.0.0/8"]))},
            max_file_bytes=2048 * _MIB,
            timeout_s=300,
        )
        async with (
            ready_driver(whatsapp, folder / "profile") as driver,
            document_server(mb * _MIB) as url,
        ):
            async with Highest() as fetching:
                file = await source.fetch(url, max_bytes=2048 * _MIB, message_id="m", wait_s=300)
            fetching.show("fetched by URL")
            async with Highest() as submitting:
                await submit(driver, "3EB0AA01", file.path)
            submitting.show("submitted from disk")
            await driver.collect_garbage()
            async with Highest() as base64_submitting:
                data = base64.b64encode(file.path.read_bytes() + b"x").decode()
                await submit(driver, "3EB0AA02", None, data=data)
            base64_submitting.show("as base64 in the content")
            await source.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=100)
    asyncio.run(main(parser.parse_args().mb))
