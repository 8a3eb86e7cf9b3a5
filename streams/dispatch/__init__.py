"""The dispatcher: intake of requests, the phones' queues, limits and retries. Knows no browser.

`faust -A streams.dispatch worker` runs it too, for who knows Faust; `wa-streams dispatch` is the same
with probes and a clear answer to a wrong setting.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """`app`, made from the settings when somebody asks for it: an import alone starts nothing."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from streams.dispatch.app import Dispatcher
    from streams.settings import load

    # The import has bound the module of this name here; who asks again must get the app too.
    globals()[name] = Dispatcher(load(), "dispatch-1").app
    return globals()[name]
