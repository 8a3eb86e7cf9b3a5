"""Time from the call to the ack: our driver's `submit`, compared with bare wa-js in a loop.

    python -m benchmarks.browser_send [--sends 200]

Both run on one sandbox, each in a browser of its own with the same arguments, in alternating blocks. The page
acks after 0, 20 and 150 ms. Needs no network.
"""

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from playwright.async_api import async_playwright

from benchmarks.browser_common import PEER_CHAT, Sandbox, machine, ready_driver, sandbox, send
from streams.whatsapp.install import bundle, chromium_sandbox, executable
from streams.whatsapp.web.browser.chromium_arguments import chromium_arguments

Send = Callable[[str], Awaitable[None]]
_BLOCK = 50
_SEND = """async ([chat, id, body]) => {
  const options = {messageId: `true_${chat}_${id}_out`, waitForAck: true, markIsRead: false,
    linkPreview: false};
  const sent = await WPP.chat.sendTextMessage(chat, body, options);
  return sent.sendMsgResult.messageSendResult;
}"""


@contextlib.asynccontextmanager
async def bare(sandbox: Sandbox, profile: Path) -> AsyncIterator[Send]:
    """wa-js in a page, as its README shows it: no claim, no gate, no watchdog."""
    program = executable.find_chromium(None)
    version = await executable.read_version(program)
    has_sandbox = await chromium_sandbox.find_obstacle(program) is None
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=program.path,
            args=chromium_arguments(
                program, version, sandbox.browser_args, has_sandbox=has_sandbox
            ),
            chromium_sandbox=has_sandbox,
        )
        page = context.pages[0]
        await page.goto("https://web.whatsapp.com/")
        await page.wait_for_function("() => window.require && window.ErrorGuard")
        await page.evaluate("() => { window.WPPConfig = {disableGoogleAnalytics: true} }")
        await page.evaluate(bundle.find_bundle(None).read_text())
        await page.wait_for_function(
            "() => WPP.isFullReady && WPP.conn.isAuthenticated()"
            " && WPP.whatsapp.Stream.mode === 'MAIN'"
        )

        find_chat = "(chat) => WPP.chat.find(chat).then((model) => model.id.toString())"
        chat_id = await page.evaluate(find_chat, PEER_CHAT)

        async def send_bare(whatsapp_id: str) -> None:
            assert await page.evaluate(_SEND, [chat_id, whatsapp_id, "hello"]) == "OK"

        yield send_bare
        await context.close()


async def measure(ways: dict[str, Send], sends: int, ack_ms: int) -> dict[str, list[float]]:
    """Milliseconds of each send, in alternating blocks."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for block in range(max(1, sends // _BLOCK)):
        for name, way in ways.items():
            for number in range(min(sends, _BLOCK)):
                began = time.perf_counter()
                await way(f"3EB0{ack_ms:04}{block:04}{number:04}{name.upper()}")
                taken[name].append((time.perf_counter() - began) * 1000)
    return taken


def report(ack_ms: int, taken: dict[str, list[float]]) -> None:
    columns = []
    for name, times in taken.items():
        p95 = statistics.quantiles(times, n=20)[-1]
        columns.append(f"{name} {statistics.median(times):6.1f} / {p95:6.1f}")
    ratio = sum(taken["bare"]) / sum(taken["driver"])
    print(f"ack after {ack_ms:3} ms: {'   '.join(columns)}   messages/s driver : bare {ratio:.2f}")


async def main(sends: int) -> None:
    print(machine())
    print("p50 / p95 in ms")
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as whatsapp:
        own_profile, bare_profile = Path(folder) / "driver", Path(folder) / "bare"
        async with (
            ready_driver(whatsapp, own_profile) as driver,
            bare(whatsapp, bare_profile) as send_bare,
        ):
            ways: dict[str, Send] = {"driver": lambda id_: send(driver, id_), "bare": send_bare}
            await measure(ways, _BLOCK, 9999)  # warms up both
            for ack_ms in (0, 20, 150):
                whatsapp.ack_after(ack_ms)
                report(ack_ms, await measure(ways, sends, ack_ms))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sends", type=int, default=200)
    asyncio.run(main(parser.parse_args().sends))
