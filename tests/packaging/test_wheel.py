"""What the wheel contains, and what it requires."""

import zipfile
from pathlib import Path

import pytest

from tests.packaging import distribution
from tests.packaging.distribution import ROOT

_MAX_WHEEL_BYTES = 1_400_000


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _data_files() -> list[str]:
    """The package's files that are not Python, in this tree."""
    files = (path.relative_to(ROOT) for path in (ROOT / "streams").rglob("*") if path.is_file())
    ignored = {"node_modules", "__pycache__"}
    return sorted(
        str(file) for file in files if file.suffix != ".py" and not ignored & {*file.parts}
    )


@pytest.mark.parametrize("name", _data_files())
def test_each_data_file_is_in_the_wheel(name: str, names: set[str]) -> None:
    """The code reads these files from its own folder."""
    assert name in names


@pytest.mark.parametrize(
    "name",
    [
        "streams/py.typed",
        "streams/embedded_kafka/jars.lock",
        "streams/whatsapp/install/.npmrc",
        "streams/whatsapp/install/npm.txt",
        "streams/whatsapp/install/package-lock.json",
        "streams/whatsapp/install/package.json",
        "streams/whatsapp/web/adapter/adapter.js",
        "streams/sandbox/page/index.html",
        "streams/sandbox/page/modules/session/wire.js",
    ],
)
def test_the_list_of_data_files_is_not_empty(name: str) -> None:
    """Otherwise the test above would pass without a file."""
    assert name in _data_files()


def test_the_schemas_are_data_of_the_contract(wheel: Path, names: set[str]) -> None:
    """The wheel has each generated file, byte for byte."""
    schemas = sorted((ROOT / "schemas").glob("*.json"))
    packaged = sorted(name for name in names if name.startswith("streams/contract/schemas/"))
    assert packaged == [f"streams/contract/schemas/{schema.name}" for schema in schemas]
    assert len(schemas) >= 6
    with zipfile.ZipFile(wheel) as archive:
        for schema, name in zip(schemas, packaged, strict=True):
            assert archive.read(name) == schema.read_bytes()


def test_nothing_else_is_in_the_wheel(wheel: Path, names: set[str]) -> None:
    """It has one package, no tests, and nothing that was fetched."""
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"streams", "wa_streams"}
    assert not [name for name in names if "node_modules" in name or "__pycache__" in name]
    assert wheel.stat().st_size < _MAX_WHEEL_BYTES


def test_the_client_requires_seven_packages(wheel: Path) -> None:
    """The requirements of the service are in the extra `server`."""
    client = {requirement.name for requirement in distribution.read_requirements(wheel)}
    named = {"aiokafka", "anyio", "cramjam", "filetype", "msgspec", "orjson", "phonenumbers"}
    assert client == named
    server = {requirement.name for requirement in distribution.read_requirements(wheel, "server")}
    assert server > client | {"faust-streaming", "playwright", "rocksdict"}
