"""The dispatcher: intake of requests, the phones' queues, limits and retries. It knows no browser.

If you know Faust, `faust -A streams.dispatch worker` runs it too. `wa-streams dispatch` does the same,
with probes and a clear answer to a wrong setting.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """`app`, created from the settings at its first use: an import alone starts nothing."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from streams.dispatch.app import Dispatcher
    from streams.settings import load

    # The import above bound the submodule `app` to this name; a second use must get the app too.
    globals()[name] = Dispatcher(load(), "dispatch-1").app
    return globals()[name]
