"""What this machine must have, checked one by one. Nothing is installed or changed."""

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
from streams.local import run_dir
from streams.operations.errors import Wrong
from streams.settings import Settings
from streams.system import ports
from streams.whatsapp.errors import BrowserMissing, BundleMissing
from streams.whatsapp.install import bundle, executable

_PYTHON = (3, 11)
_FREE_BYTES = 1 << 30
_FILES = 1024  # tables, connections and the broker's segments stay below half of it
_GIB = float(1 << 30)


class Check(msgspec.Struct, frozen=True):
    """One line of `doctor`. What is not `needed` may be missing; `do` says how to mend it."""

    name: str
    ok: bool
    found: str
    do: str = ""
    needed: bool = True


async def machine(settings: Settings) -> AsyncIterator[Check]:
    """What is installed here, and what is free."""
    for check in (python, java_runtime, kafka_jars, wa_js, disk, files):
        yield check(settings)
    yield await browser(settings)


def python(_: Settings) -> Check:
    """Its version."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= _PYTHON, version, "install Python 3.11 or later")


def java_runtime(settings: Settings) -> Check:
    """For the embedded broker."""
    try:
        found = java.find_java(os.environ.get("JAVA_HOME"))
    except java.JavaMissing as error:
        return Check("java", False, "none", str(error), needed=settings.kafka_bootstrap_servers is None)
    return Check("java", True, str(found))


def kafka_jars(settings: Settings) -> Check:
    """For the embedded broker; they are fetched when they are needed."""
    return Check(
        "kafka jars",
        jars.is_installed(),
        str(jars.jars_dir()),
        "run `make setup`, or let `wa-streams up` fetch them",
        needed=settings.kafka_bootstrap_servers is None,
    )


def wa_js(settings: Settings) -> Check:
    """The bundle that is put into the page."""
    try:
        return Check("wa-js", True, str(bundle.find_bundle(settings.whatsapp_bundle)))
    except BundleMissing as error:
        return Check("wa-js", False, "none", str(error))


async def browser(settings: Settings) -> Check:
    """A Chromium that runs."""
    try:
        found = executable.find_chromium(settings.browser_executable)
        version = await executable.read_version(found)
    except BrowserMissing as error:
        return Check("browser", False, "none", str(error))
    return Check("browser", True, f"{version} ({found.path})")


def disk(settings: Settings) -> Check:
    """Room for tables, profiles and the embedded broker's log."""
    folder = _existing(settings.data_dir)
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    do = "free some, or set WA_DATA_DIR to a folder on another disk, which you may write to"
    said = f"{free / _GIB:.1f} GiB free at {settings.data_dir}" + (
        "" if writable else ", read-only"
    )
    return Check("disk", writable and free >= _FREE_BYTES, said, do)


def files(_: Settings) -> Check:
    """How many files a process may open."""
    most, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = most == resource.RLIM_INFINITY or most >= _FILES
    return Check("open files", enough, f"at most {most}", f"raise it: ulimit -n {_FILES * 4}")


async def kafka(settings: Settings) -> AsyncIterator[Check]:
    """Whether the broker answers and the topics are right; without one, whether it could start."""
    try:
        settings = run_dir.connected(settings)
    except Wrong:
        yield port("kafka port", settings.kafka_port, "WA_KAFKA_PORT")
        return
    try:
        problems = await admin.check_topics(settings)
    except KafkaUnreachable as error:
        yield Check("kafka", False, "no answer", str(error))
        return
    yield Check("kafka", True, f"answers at {settings.kafka_bootstrap_servers}")
    said = "; ".join(map(str, problems)) or "all there, as they must be"
    yield Check("topics", not problems, said, "run `wa-streams topics create`")


def port(name: str, number: int, variable: str) -> Check:
    """Whether a part could listen there."""
    free = number == 0 or ports.is_free(number)
    said = "any free one" if number == 0 else f"{number} is {'free' if free else 'taken'}"
    return Check(name, free, said, f"set {variable} to another one, 0 for any that is free")


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())
