"""Installs the clients: exact versions, with the hashes of the committed lock files. Starts none."""

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.peers.clients import Client, environment, node

_LOCKS = ("package-lock.json", "requirements.txt")


class CannotInstall(Exception):
    """A client cannot be installed. The message has the installer's last lines."""


def install(client: Client) -> None:
    """Install the client unless its present lock file is installed already. Raises CannotInstall."""
    lock = next(path for name in _LOCKS if (path := client.folder / name).exists())
    is_npm = lock.name == "package-lock.json"
    target = client.folder / ("node_modules" if is_npm else ".venv")
    mark = target / ".installed"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if mark.exists() and mark.read_text() == digest:
        return
    print(f"peers: installs {client.package} (a minute the first time)", flush=True)
    if is_npm:
        npm = node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        _run([str(node()), str(npm), "ci"], client.folder)
    else:
        _run([sys.executable, "-m", "venv", "--clear", str(target)], client.folder)
        pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _run(
            [*pip, "--disable-pip-version-check", "--require-hashes", "-r", str(lock)],
            client.folder,
        )
    mark.write_text(digest)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise CannotInstall("\n".join([f"{' '.join(command)} failed:", *lines[-10:]]))
