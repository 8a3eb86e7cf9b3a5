"""What a server can do wrong: each ends with the right code, in bounded time and space, and no file is left."""

import socket
from pathlib import Path
from typing import Any

import pytest

from streams.media.errors import MediaError
from streams.media.source import MediaSource
from tests.media.servers import open_source, serve_files

MAX_BYTES = 100_000


async def fetch_error(source: MediaSource, url: str) -> MediaError:
    """Why there is no file."""
    with pytest.raises(MediaError) as caught:
        await source.fetch(url, max_bytes=MAX_BYTES, message_id="m1", wait_s=20.0)
    return caught.value


@pytest.mark.parametrize(
    ("path", "code", "detail"),
    [
        ("/none.png", "media_fetch_failed", "status 404"),
        ("/endless", "media_too_large", "more than 100000 bytes"),
        ("/3gb", "media_too_large", "more than 100000 bytes"),
        ("/short", "media_fetch_failed", "ended too early"),
        ("/silent", "media_fetch_failed", "longer than 0.5 s"),
        ("/slow", "media_fetch_failed", "longer than 0.5 s"),
        ("/loop", "media_fetch_failed", "more than 5 times"),
        ("/to-metadata", "media_url_not_allowed", "not public"),
        ("/to-file", "media_url_not_allowed", "only http, https"),
        ("/to-password", "media_url_not_allowed", "user name"),
    ],
)
async def test_a_server_that_does_wrong(tmp_path: Path, path: str, code: str, detail: str) -> None:
    """The code is one of the contract's, the detail says what it was, and nothing stays on disk."""
    timeout_s = 0.5 if "0.5" in detail else 20.0
    async with serve_files() as server, open_source(tmp_path, timeout_s=timeout_s) as source:
        error = await fetch_error(source, server.url + path)
    assert (error.code, detail in error.detail) == (code, True), error
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"]
)
async def test_this_machine_is_not_reached(tmp_path: Path, host: str) -> None:
    """However its address is written; the server gets no request."""
    async with serve_files() as server, open_source(tmp_path, networks=()) as source:
        port = server.url.rpartition(":")[2]
        error = await fetch_error(source, f"http://{host}:{port}/a.png")
        assert error.code == "media_url_not_allowed"
        assert not server.requests


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """From now on, each look-up of a name gets the next answer, and the last one again. Returns the names."""
    names: list[str] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        names.append(host)
        addresses = answers[min(len(names), len(answers)) - 1]
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


async def test_a_name_with_a_public_and_a_private_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused, whichever address would be connected to."""
    async with open_source(tmp_path, networks=()) as source:
        resolve_to(monkeypatch, ["93.184.216.34", "10.0.0.1"])
        error = await fetch_error(source, "http://both.example/a.png")
    assert error.code == "media_url_not_allowed"


async def test_a_name_is_resolved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to the address that was checked: a second look-up could give another one."""
    async with serve_files() as server, open_source(tmp_path) as source:
        names = resolve_to(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
        url = server.url.replace("127.0.0.1", "rebinding.example")
        file = await source.fetch(f"{url}/a.png", max_bytes=MAX_BYTES, message_id="m1", wait_s=20.0)
    assert file.path.read_bytes() == server.files["/a.png"]
    assert names == ["rebinding.example"]


async def test_a_proxy_of_the_environment_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would connect to what this machine must not."""
    async with serve_files() as server, open_source(tmp_path, networks=()) as source:
        monkeypatch.setenv("http_proxy", server.url)
        error = await fetch_error(source, "http://169.254.169.254/latest")
        assert error.code == "media_url_not_allowed"
        assert not server.requests


async def test_a_redirect_is_followed(tmp_path: Path) -> None:
    """Where it is allowed."""
    async with serve_files() as server, open_source(tmp_path) as source:
        file = await source.fetch(
            f"{server.url}/to-a", max_bytes=MAX_BYTES, message_id="m1", wait_s=20.0
        )
        assert file.path.read_bytes() == server.files["/a.png"]


async def test_a_file_of_the_longest_length_is_not_too_large(tmp_path: Path) -> None:
    """One byte more is."""
    async with serve_files() as server, open_source(tmp_path) as source:
        server.files = {"/max": b"x" * MAX_BYTES, "/more": b"x" * (MAX_BYTES + 1)}
        file = await source.fetch(
            f"{server.url}/max", max_bytes=MAX_BYTES, message_id="m1", wait_s=20.0
        )
        assert file.size_bytes == MAX_BYTES
        assert (await fetch_error(source, f"{server.url}/more")).code == "media_too_large"
