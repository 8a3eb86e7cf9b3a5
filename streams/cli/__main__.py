"""The program `wa-streams`, also run by `python -m streams.cli`. Imports nothing that it may lack.

`pip install wa-streams` installs the client alone. The command line belongs to the extra `server`;
without it, the program says in one line what to install.
"""

import sys

from streams.system.interrupts import INTERRUPTED, end_quietly, hold_interrupts
from streams.system.private_files import keep_files_private
from streams.system.std_streams import prepare_streams

_SERVER_MISSING = (
    "wa-streams: the service is not installed ({} is missing): pip install 'wa-streams[server]'"
)


def main() -> None:
    """Run the program."""
    try:
        prepare_streams()
        keep_files_private()
        code = _run()
    except KeyboardInterrupt:  # while a module was imported, or for the second time
        print("wa-streams: interrupted", file=sys.stderr)
        code = INTERRUPTED
    if code == INTERRUPTED:
        end_quietly()
    sys.exit(code)


def _run() -> int:
    try:
        with hold_interrupts():
            from streams.cli.main import run

        return run(sys.argv[1:])
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "streams"):
            raise  # a fault of ours: its traceback is what helps
        print(_SERVER_MISSING.format(package), file=sys.stderr)
        return 2


if __name__ == "__main__":
    main()
