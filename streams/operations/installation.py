"""Fetches what the Python packages do not contain: Kafka's jars, wa-js, a Chromium. Decides no versions.

Each is fetched once, into the user's cache, under a lock. What the settings name instead (a Kafka, a
bundle, a browser) is not fetched. Only `install_all` may install a package of the system.
"""

from collections.abc import Callable
from pathlib import Path

from streams.embedded_kafka import jars
from streams.settings import Settings
from streams.whatsapp.errors import BrowserMissing
from streams.whatsapp.install import bundle, executable

Progress = Callable[[str], None]


def install_all(settings: Settings, progress: Progress) -> dict[str, Path]:
    """Everything that this machine lacks, and where each part is.

    Raises:
        JarsMissing, BundleMissing, BrowserMissing: the message says what to do, in one line.
    """
    installed: dict[str, Path] = {}
    if settings.kafka_bootstrap_servers is None:
        installed["kafka jars"] = jars.install(progress)
    installed["wa-js"] = _install_bundle(settings, progress)
    installed["browser"] = executable.install_chromium(settings.browser_executable, progress).path
    return installed


def install_for_browser(settings: Settings, progress: Progress) -> None:
    """What a sender needs, before it first starts; the broker fetches its jars itself.

    A Chromium that is found is not tried out: every `up` would start a browser for that, and one that is
    slow to answer would be taken for a broken one.

    Raises:
        BundleMissing, BrowserMissing: the message says what to do, in one line.
    """
    _install_bundle(settings, progress)
    configured = settings.browser_executable
    try:
        executable.find_chromium(configured)
    except BrowserMissing:
        executable.install_chromium(configured, progress, with_system_package=False)


def _install_bundle(settings: Settings, progress: Progress) -> Path:
    if settings.whatsapp_bundle is not None:
        return bundle.find_bundle(settings.whatsapp_bundle)
    return bundle.install_bundle(progress)
