"""Apache Kafka's jars: fetched from Maven Central into the user's cache, once. Runs no Java.

`jars.lock` beside this file names each jar with its SHA-256, so nothing is resolved when the jars are
fetched, and what is fetched is what was tested. The folder of jars appears in the cache as a whole or
not at all; a second process waits for the first.
"""

import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streams.system import cache
from streams.system.retries import retry_on

if TYPE_CHECKING:
    from jgo.maven import MavenContext

VERSION = "4.3.1"
# The broker and its StorageTool; kafka-tools would also bring Kafka Connect and a web server.
# slf4j-api resolves to 1.7, so the binding is 1.7 too.
COORDINATES = (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.slf4j:slf4j-simple:1.7.36")
LOCK_FILE = Path(__file__).with_name("jars.lock")

_PARALLEL_DOWNLOADS = 8
_MAX_ATTEMPTS = 3
_RETRY_DELAY_S = 1.0
# jgo raises RuntimeError when no repository has a jar; the errors of requests are OSErrors.
_FETCH_ERRORS = (OSError, RuntimeError)
_REQUEST_TIMEOUT_S = 30

_WAITING = "kafka: another process is fetching Apache Kafka's jars; waiting for it"

Progress = Callable[[str], None]


class JarsMissing(RuntimeError):
    """The jars are missing and cannot be fetched; the message says what to do, in one line."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """As Maven names it."""
        return f"{self.artifact}-{self.version}.jar"


def read_lock_file() -> tuple[Jar, ...]:
    """The jars that the broker consists of."""
    return tuple(_parse_lock_file(LOCK_FILE.read_text()))


def _parse_lock_file(text: str) -> Iterator[Jar]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            coordinate, sha256 = line.split()
            yield Jar(*coordinate.split(":"), sha256=sha256)


def jars_dir() -> Path:
    """Where the jars are, or will be. Another lock file means another folder."""
    return cache.cache_dir() / f"kafka-{VERSION}-{sha256_of(LOCK_FILE)[:12]}"


def is_installed() -> bool:
    """Whether all jars are in the cache."""
    directory = jars_dir()
    return all((directory / jar.file_name).is_file() for jar in read_lock_file())


def class_path() -> str:
    """The value of Java's `-classpath`. Call `install` first."""
    return f"{jars_dir()}/*"


def install(progress: Progress = lambda line: None) -> Path:
    """Fetch what is missing, and return the folder of the jars. Quick when nothing is missing.

    Raises:
        JarsMissing: Maven Central does not answer or does not have what the lock names, or the
            cache cannot be written.
    """
    try:
        if not is_installed():
            with cache.hold_lock(jars_dir(), lambda: progress(_WAITING)):
                if not is_installed():
                    _fetch_all(progress)
        return jars_dir()
    except (cache.CacheUnusable, OSError) as error:
        raise JarsMissing(f"cannot keep Apache Kafka's jars: {error}") from error


def _fetch_all(progress: Progress) -> None:
    jars = read_lock_file()
    progress(f"kafka: fetching Apache Kafka {VERSION} from Maven Central ({len(jars)} jars, once)")
    staging = cache.staging_dir(jars_dir())
    complete = staging / "complete"
    complete.mkdir(parents=True, exist_ok=True)
    context = _maven_context(staging / "maven")
    with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        fetches = [pool.submit(_fetch, context, jar, complete) for jar in jars]
        try:
            for count, fetch in enumerate(as_completed(fetches), start=1):
                fetch.result()
                if count % 10 == 0 or count == len(jars):
                    progress(f"kafka: {count} of {len(jars)} jars")
        finally:
            pool.shutdown(cancel_futures=True)
    cache.publish(complete, jars_dir())
    shutil.rmtree(staging)


def _maven_context(repository: Path) -> "MavenContext":
    # Imported late: it imports requests, and is needed only once on a machine.
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    remotes = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    return MavenContext(repo_cache=repository, remote_repos=remotes, timeout=_REQUEST_TIMEOUT_S)


def _fetch(context: "MavenContext", jar: Jar, target_dir: Path) -> None:
    target = target_dir / jar.file_name
    if target.is_file():
        return
    try:
        for attempt in retry_on(_FETCH_ERRORS, max_attempts=_MAX_ATTEMPTS, delay_s=_RETRY_DELAY_S):
            with attempt:
                _fetch_once(context, jar, target)
    except _FETCH_ERRORS as error:
        raise JarsMissing(
            f"cannot fetch {jar.file_name} from Maven Central ({_summarize(error)}); check the "
            "network (HTTPS_PROXY is respected) and try again, or set WA_KAFKA_BOOTSTRAP_SERVERS"
        ) from error


def _fetch_once(context: "MavenContext", jar: Jar, target: Path) -> None:
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    # A file that an interrupted run left may be incomplete, so its hash is always checked.
    fetched = artifact.resolve()
    digest = sha256_of(fetched)
    if digest != jar.sha256:
        fetched.unlink()
        raise RuntimeError(f"its SHA-256 is {digest[:12]}…, not {jar.sha256[:12]}…")
    fetched.rename(target)


def _summarize(error: Exception) -> str:
    """The cause, without the address that requests puts before it."""
    text = " ".join(str(error).split())
    cause = text.partition("(Caused by ")[2].rstrip(")") or text
    return cause if len(cause) <= 160 else cause[:159] + "…"


def sha256_of(file: Path) -> str:
    """Hexadecimal digest of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def resolve_lock_file() -> str:
    """The text of the lock file for `COORDINATES`, resolved by Maven Central: for a change of version."""
    import jgo

    with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        artifacts = jgo.resolve("+".join(COORDINATES))
        files = pool.map(lambda artifact: artifact.resolve(), artifacts)
        lines = [
            f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} {sha256_of(file)}\n"
            for artifact, file in zip(artifacts, files, strict=True)
        ]
    header = "# Written by `python -m streams.embedded_kafka.jars lock`: group:artifact:version SHA-256\n"
    return header + "".join(sorted(lines))


def main(arguments: list[str]) -> int:
    """Without arguments, fetch the jars; `lock` first writes jars.lock for the version above."""
    try:
        if arguments == ["lock"]:
            LOCK_FILE.write_text(resolve_lock_file())
        install(lambda line: print(line, flush=True))
    except JarsMissing as error:
        print(f"kafka: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
