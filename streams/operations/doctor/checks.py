"""What this machine needs, checked one thing at a time. Installs and changes nothing."""

import os
import resource
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from streams.embedded_kafka import jars, java
from streams.kafka import admin
from streams.kafka.connection import KafkaUnreachable
from streams.operations.errors import UsageError
from streams.settings import Settings
from streams.system import network
from streams.system.network import is_loopback
from streams.whatsapp.errors import BrowserMissing, BundleMissing
from streams.whatsapp.install import bundle, chromium_sandbox, executable

_MIN_PYTHON = (3, 11)
_MIN_FREE_BYTES = 1 << 30
_MIN_OPEN_FILES = 1024  # tables, connections and the broker's segments stay below half of it
_GIB = float(1 << 30)


class Check(msgspec.Struct, frozen=True):
    """One line of `doctor`. If it is not `required` it may be missing. `advice` says what to do."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
    required: bool = True


async def check_machine(settings: Settings) -> AsyncIterator[Check]:
    """Check what is installed on this machine, and what is free."""
    for check in (
        check_python,
        check_java,
        check_kafka_jars,
        check_wa_js,
        check_disk,
        check_open_files,
    ):
        yield check(settings)
    yield await check_browser(settings)
    yield await check_chromium_sandbox(settings)


def check_python(_: Settings) -> Check:
    """Check the version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= _MIN_PYTHON, version, "install Python 3.11 or later")


def check_java(settings: Settings) -> Check:
    """Check for Java, which the embedded broker needs."""
    try:
        java_path = java.find_java(os.environ.get("JAVA_HOME"))
    except java.JavaMissing as error:
        return Check(
            "java", False, "none", str(error), required=settings.kafka_bootstrap_servers is None
        )
    return Check("java", True, str(java_path))


def check_kafka_jars(settings: Settings) -> Check:
    """Check for Kafka's jars, which the embedded broker needs; `up` downloads them if they are missing."""
    return Check(
        "kafka jars",
        jars.is_installed(),
        str(jars.jars_dir()),
        "run `wa-streams setup`, or let `wa-streams up` fetch them",
        required=settings.kafka_bootstrap_servers is None,
    )


def check_wa_js(settings: Settings) -> Check:
    """Check for the wa-js bundle, which is injected into the page."""
    try:
        return Check("wa-js", True, str(bundle.find_bundle(settings.whatsapp_bundle)))
    except BundleMissing as error:
        return Check("wa-js", False, "none", str(error))


async def check_browser(settings: Settings) -> Check:
    """Check for a Chromium that runs."""
    try:
        chromium = executable.find_chromium(settings.browser_executable)
        version = await executable.read_version(chromium)
    except BrowserMissing as error:
        return Check("browser", False, "none", str(error))
    return Check("browser", True, f"{version} ({chromium.path})")


async def check_chromium_sandbox(settings: Settings) -> Check:
    """Check whether Chromium can confine the processes that read what strangers send."""
    name = "confinement"
    try:
        chromium = executable.find_chromium(settings.browser_executable)
        obstacle = await chromium_sandbox.find_obstacle(chromium)
    except (BrowserMissing, OSError):
        return Check(name, False, "no browser to try it with", required=False)
    if obstacle is None:
        return Check(name, True, "Chromium runs with its sandbox")
    detail = "Chromium runs without its sandbox"
    return Check(name, False, detail, obstacle, required=False)


def check_disk(settings: Settings) -> Check:
    """Check the space for tables, profiles and the embedded broker's log."""
    folder = _nearest_existing(settings.data_dir)
    free_bytes = shutil.disk_usage(folder).free
    is_writable = os.access(folder, os.W_OK)
    advice = "free some space, or set WA_DATA_DIR to a writable folder on another disk"
    detail = f"{free_bytes / _GIB:.1f} GiB free at {settings.data_dir}" + (
        "" if is_writable else ", read-only"
    )
    return Check("disk", is_writable and free_bytes >= _MIN_FREE_BYTES, detail, advice)


def check_open_files(_: Settings) -> Check:
    """Check how many files a process may open."""
    limit, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_enough = limit == resource.RLIM_INFINITY or limit >= _MIN_OPEN_FILES
    return Check(
        "open files",
        is_enough,
        f"at most {limit}",
        f"raise the limit: ulimit -n {_MIN_OPEN_FILES * 4}",
    )


async def check_kafka(settings: Settings) -> AsyncIterator[Check]:
    """Check that the broker of these settings answers and that its topics are correct."""
    try:
        problems = await admin.check_topics(settings)
    except KafkaUnreachable as error:
        yield Check("kafka", False, "no answer", str(error))
        return
    yield Check("kafka", True, f"answers at {settings.kafka_bootstrap_servers}")
    detail = "; ".join(map(str, problems)) or "all exist with the required configuration"
    yield Check("topics", not problems, detail, "run `wa-streams topics create`")


def check_port(name: str, port: int, variable: str) -> Check:
    """Check that a service could listen on this port."""
    is_free = port == 0 or network.is_free(port)
    detail = "any free port" if port == 0 else f"{port} is {'free' if is_free else 'taken'}"
    return Check(name, is_free, detail, f"set {variable} to another port, or to 0 for any free one")


def require_free_web_port(settings: Settings) -> None:
    """Check the port of the probes before Faust starts: it treats any error of a start as a crash.

    Raises:
        UsageError: another program listens on it.
    """
    if not settings.web_port or not is_loopback(settings.web_host):
        return
    if not network.is_free(settings.web_port, settings.web_host):
        raise UsageError(
            f"WA_WEB_PORT={settings.web_port}: is taken on {settings.web_host}; "
            "set another port, or 0 for any free one"
        )


def _nearest_existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
