"""`make peers`: installs the clients, lets each live on a sandbox, and prints a table for each.

`python -m tests.peers [CLIENT …]`. The exit code is 1 if a client does less than expected.toml allows.
"""

import asyncio
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.peers.clients import CLIENTS, FOLDER, Client
from tests.peers.install import CannotInstall, install
from tests.peers.peer import Peer
from tests.peers.samples import write_samples
from tests.peers.sessions import run_sessions
from tests.support.sandbox import run_sandbox

_QR_TTL_S = 4
# From the login to the main screen. The real page needs seconds, and whatsapp-web.js overlooks one that is faster
# than its own start.
_MAIN_SCREEN_MS = 1500
_console = Console()


def main(names: list[str]) -> int:
    """Run these clients, or all. Returns the exit code."""
    unfamiliar = set(names) - {client.name for client in CLIENTS}
    if unfamiliar:
        _console.print(f"peers: no client {unfamiliar}; there are {[c.name for c in CLIENTS]}")
        return 2
    expected = _read_expected()
    clients = [client for client in CLIENTS if not names or client.name in names]
    try:
        are_as_expected = [_run(client, expected.get(client.name, {})) for client in clients]
    except CannotInstall as error:
        _console.print(f"peers: {error}")
        return 2
    return 0 if all(are_as_expected) else 1


def _read_expected() -> dict[str, dict[str, str]]:
    """The known misses of each client. A name that no client has is a mistake."""
    expected = tomllib.loads((FOLDER / "expected.toml").read_text())
    features = {client.name: client.features for client in CLIENTS}
    for name, misses in expected.items():
        assert set(misses) <= set(features[name]), f"expected.toml: {name} has no {misses}"
    return expected


def _run(client: Client, allowed: dict[str, str]) -> bool:
    """Returns whether the client does all but what it is allowed to miss."""
    install(client)
    folder = Path(tempfile.mkdtemp(prefix=f"peers-{client.name}-"))
    _console.print(f"{client.package} on a sandbox of its own:")
    behaviour = (f"--qr-ttl-s={_QR_TTL_S}", f"--set=main_screen_ms={_MAIN_SCREEN_MS}")
    options = (*behaviour, *client.sandbox_options)
    with run_sandbox(folder / "sandbox", *options) as (sandbox, _):
        peer = Peer(client, sandbox, folder, write_samples(folder))
        results = asyncio.run(run_sessions(peer))
    _print_table(client, results, allowed)
    is_as_expected = all(reason is None or name in allowed for name, reason in results.items())
    if is_as_expected:
        shutil.rmtree(folder)
    else:
        _console.print(f"peers: profiles and logs are in {folder}")
    return is_as_expected


def _print_table(client: Client, results: dict[str, str | None], allowed: dict[str, str]) -> None:
    table = Table("feature", "result", "reason")
    for name, reason in results.items():
        if reason is None:
            note = "works now: remove it from expected.toml" if name in allowed else ""
            table.add_row(name, "ok", note)
        else:
            result = "expected miss" if name in allowed else "MISS"
            table.add_row(name, result, allowed.get(name, reason))
    _console.print(table)
    n_works = sum(reason is None for reason in results.values())
    _console.print(f"{client.package}: {n_works} of {len(results)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
