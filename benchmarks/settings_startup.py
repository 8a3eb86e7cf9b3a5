"""How long a process takes to load the settings: typed-settings, pydantic-settings, and msgspec alone.

    .venv/bin/uv run --no-project --python .venv/bin/python --with msgspec --with orjson --with click \\
        --with attrs --with typed-settings --with pydantic-settings benchmarks/settings_startup.py

runs all three. pydantic-settings is not a dependency of wa-streams: if it is not installed, its row stays
empty. Every run is a process of its own that imports the library and loads all our settings from the
environment; the candidates alternate, so that a machine whose speed drifts is the same for all. Each
figure is a median in milliseconds, of the elapsed and of the CPU time. The second table shows what each
library itself says about a wrong value.
"""

import importlib.util
import os
import statistics
import subprocess
import sys
from pathlib import Path

RUNS = 15
ROOT = Path(__file__).parents[1]

_DEFINITIONS = "from streams.settings.groups import Settings"

# Each program defines `load()`, with what it imports.
CANDIDATES = {
    "nothing (the definitions alone)": f"""
{_DEFINITIONS}
load = Settings
""",
    "msgspec, our own merging": f"""
{_DEFINITIONS}
import os, dataclasses, msgspec
def load():
    names = {{field.name: "WA_" + field.name.upper() for field in dataclasses.fields(Settings)}}
    values = {{name: os.environ[key] for name, key in names.items() if key in os.environ}}
    return msgspec.convert(values, Settings, strict=False)
""",
    "typed-settings": f"""
{_DEFINITIONS}
import sys; sys.modules["pydantic"] = None  # typed-settings imports it if it is installed; for us it is not
import msgspec, typed_settings
def load():
    loaders = [typed_settings.EnvLoader("WA_")]
    class Converter:
        def structure(self, value, type_):
            if type_ is Settings:
                return Settings(**value)
            return msgspec.convert(value, type_, strict=False) if isinstance(value, str) else value
        def get_structure_hook(self, type_):
            return self.structure
    return typed_settings.load_settings(Settings, loaders, converter=Converter())
""",
    "pydantic-settings": f"""
{_DEFINITIONS}
import typing, dataclasses, pydantic, pydantic_settings, msgspec
def translate(hint):
    if typing.get_origin(hint) is not typing.Annotated:
        return hint
    meta = hint.__metadata__[0]
    return typing.Annotated[hint.__origin__, pydantic.Field(ge=meta.ge, le=meta.le, pattern=meta.pattern)]
def load():
    class Base(pydantic_settings.BaseSettings):
        model_config = pydantic_settings.SettingsConfigDict(env_prefix="WA_")
    hints = typing.get_type_hints(Settings, include_extras=True)
    model = pydantic.create_model("Model", __base__=Base, **{{
        field.name: (translate(hints[field.name]), field.default) for field in dataclasses.fields(Settings)
    }})
    return model()
""",
}

_MEASURE = """
import time; began, cpu = time.perf_counter(), time.process_time()
{program}
load()
print((time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000)
"""
_PROVOKE = """
{program}
try:
    load()
except Exception as error:
    print(*getattr(error, "exceptions", [error]), sep="; ")
"""


def run(code: str, **variables: str) -> str:
    """Run the code in a fresh process; returns what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WA_")}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-c", code]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return finished.stdout.strip()


def main() -> None:
    installed = {
        name: program
        for name, program in CANDIDATES.items()
        if name != "pydantic-settings" or importlib.util.find_spec("pydantic_settings")
    }
    times_ms: dict[str, list[list[float]]] = {name: [] for name in installed}
    for _ in range(RUNS + 1):
        for name, program in installed.items():
            printed = run(_MEASURE.format(program=program), WA_MAX_QUEUE="7")
            times_ms[name].append([float(figure) for figure in printed.split()])
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}")
    print(f"import and load, median of {RUNS} processes after one to warm up: elapsed, CPU, in ms")
    for name in CANDIDATES:
        runs = zip(*times_ms[name][1:], strict=True) if name in times_ms else []
        print(f"  {name:33}", *(f"{statistics.median(run):8.1f}" for run in runs))
    print("\nWA_MAX_QUEUE=many:")
    for name, program in list(installed.items())[1:]:
        print(f"  {name}: {run(_PROVOKE.format(program=program), WA_MAX_QUEUE='many')}")


if __name__ == "__main__":
    main()
