"""Importing the client imports only what the client requires. In this environment, which has everything."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from tests.packaging import distribution

# Refuses each package that is installed, except those on the command line, and those of Python itself.
_PROGRAM = """
import sys
from importlib.machinery import PathFinder

allowed = set(sys.argv[1:])


class Refusal:
    @staticmethod
    def find_spec(name, path=None, target=None):
        top = name.partition(".")[0]
        if top in allowed or top in sys.stdlib_module_names or PathFinder.find_spec(top) is None:
            return None
        raise ModuleNotFoundError(f"{name} is not a package of the client", name=name)


sys.meta_path.insert(0, Refusal)
import streams.client

print(*sorted(name for name in sys.modules if name.startswith("streams.")))
"""


def _modules_of(names: set[str]) -> set[str]:
    """The top-level modules of these distributions."""
    normalized = {name.lower().replace("_", "-") for name in names}
    return {
        module
        for module, distributions in metadata.packages_distributions().items()
        if any(
            distribution.lower().replace("_", "-") in normalized for distribution in distributions
        )
    }


def test_the_client_imports_only_what_it_requires(wheel: Path) -> None:
    """An allow-list: a new package of the service is refused without a change here."""
    allowed = _modules_of(distribution.resolve(distribution.read_requirements(wheel)))
    assert {"aiokafka", "msgspec", "orjson", "phonenumbers"} <= allowed
    assert not allowed & {
        "faust",
        "playwright",
        "rocksdict",
        "click",
        "rich",
        "aiohttp",
        "filelock",
    }
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM, "streams", *allowed], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    imported = run.stdout.split()
    assert "streams.embedded_kafka.address" in imported  # the chain that could pull in the broker
    assert not [
        module for module in imported if module.startswith(("streams.runtime", "streams.cli."))
    ]


def test_an_extra_is_part_of_what_is_resolved() -> None:
    """The list above is only as good as its resolution of requirements."""
    assert "cramjam" in distribution.resolve([Requirement("aiokafka[lz4]")])
    assert "cramjam" not in distribution.resolve([Requirement("aiokafka")])
