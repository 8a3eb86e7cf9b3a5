"""`make overrides`: switches each override off in a copy of the source, and checks that its tests fail.

    python -m tests.overrides [WORD ...]    only the switches with one of these words in their name

A switch is caught when every test that it names fails, in its own call and within its time. A test that cannot be
collected, fails in its setup, or hangs, catches nothing. The exit code is 1 if a switch is not caught.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from tests.overrides.switches import ROOT, SWITCHES, Switch

COPIED = ("streams", "schemas", "tests", "pyproject.toml")
TEST_S = 120  # a test that takes longer hangs; a healthy one takes less than a third of it
WAIT_TIMEOUT_S = 15  # for a condition in a test that will not become true


def main(words: list[str]) -> int:
    """Run the switches, print the result of each, and return the exit code."""
    chosen = [
        switch for switch in SWITCHES if not words or any(word in switch.name for word in words)
    ]
    not_caught = 0
    for number, switch in enumerate(chosen, 1):
        started_s = time.monotonic()
        missed, failures = _run(switch)
        not_caught += bool(missed)
        print(
            f"[{number}/{len(chosen)}] {'NOT CAUGHT' if missed else 'caught'}: {switch.name} "
            f"({time.monotonic() - started_s:.0f} s)",
            *(f"    {line}" for line in [*missed, *failures]),
            sep="\n",
            flush=True,
        )
    print(f"{len(chosen) - not_caught} of {len(chosen)} overrides are covered by their tests")
    return 1 if not_caught or not chosen else 0


def _run(switch: Switch) -> tuple[list[str], list[str]]:
    """The tests that did not fail as they should, and how the others failed."""
    with tempfile.TemporaryDirectory(prefix="wa-overrides-") as folder:
        copy = Path(folder)
        _copy(switch, copy)
        report = copy / "report.xml"
        code = _pytest(switch, copy, report)
        if not report.exists():
            return [f"pytest itself was ended (exit code {code})"], []
        return _judge(switch, report)


def _copy(switch: Switch, copy: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("node_modules", "__pycache__")
            shutil.copytree(source, copy / name, ignore=ignore)
        else:
            shutil.copy(source, copy / name)
    changed = copy / switch.path
    changed.write_text(switch.off(changed.read_text()))


def _pytest(switch: Switch, copy: Path, report: Path) -> int:
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *(f"--timeout={TEST_S}", f"--junit-xml={report}", f"--basetemp={copy / 'tmp'}"),
        *switch.tests,
    ]
    environment = {**os.environ, "TEST_TIMEOUT_S": str(WAIT_TIMEOUT_S)}
    with (copy / "output").open("wb") as output:
        ended = subprocess.run(
            command, cwd=copy, env=environment, stdout=output, stderr=output, check=False
        )
    return ended.returncode


def _judge(switch: Switch, report: Path) -> tuple[list[str], list[str]]:
    missed: list[str] = []
    failed: list[str] = []
    cases: dict[str, list[ElementTree.Element]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        cases.setdefault(case.get("name", "?"), []).append(case)
    for name, reports in cases.items():  # two, if its fixtures broke after its call
        is_failed, how = max(map(_how, reports))
        (failed if is_failed else missed).append(f"{name}: {how}")
    if len(cases) < len(switch.tests):
        missed.append(f"{len(cases)} of {len(switch.tests)} tests were run")
    return missed, failed


def _how(case: ElementTree.Element) -> tuple[bool, str]:
    """Whether it failed as a test should, and its message."""
    failure = case.find("failure")
    if failure is None:
        return False, "broke outside its call" if case.find("error") is not None else "passed"
    first = ((failure.get("message") or "").strip().splitlines() or ["?"])[0]
    hung = "pytest-timeout" in first
    return not hung, f"{'hung' if hung else 'failed'}: {first[:150]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
