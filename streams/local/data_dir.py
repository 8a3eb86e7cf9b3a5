"""The data folder of this machine, before anything is written to it. Starts nothing.

`WA_DATA_DIR` may name a folder that holds other things, so everything that we create there has a name in
`OWN_NAMES`. Nothing else may be created in it: it would stay open to other users.

A command that writes to the folder calls `prepare` first. A service of `up` does so again, which changes nothing.
"""

from collections.abc import Callable
from typing import Final

from streams.operations.errors import UsageError
from streams.settings import Settings
from streams.system.private_files import tighten_folder

OWN_NAMES: Final = frozenset(
    {
        "console",
        "kafka",
        "logs",
        "media",
        "media-cache",
        "ports",
        "profiles",
        "run",
        "sandbox",
        "tables",
        "webhooks",
    }
)


def prepare(settings: Settings, on_message: Callable[[str], None]) -> None:
    """Create the folder, or close an existing one to other users; `on_message` gets one line about that.

    Raises:
        UsageError: it cannot be used.
    """
    try:
        tighten_folder(settings.data_dir, OWN_NAMES, on_message)
    except OSError as error:
        raise UsageError(
            f"WA_DATA_DIR={settings.data_dir}: {error.strerror}; set another folder"
        ) from error
