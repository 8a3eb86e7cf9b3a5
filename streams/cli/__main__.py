"""The program `wa-streams`, also run by `python -m streams.cli`. Imports nothing that it may lack.

`pip install wa-streams` installs the client alone. The command line belongs to the extra `server`;
without it, the program says in one line what to install.
"""

import sys

_SERVER_MISSING = (
    "wa-streams: the service is not installed ({} is missing): pip install 'wa-streams[server]'"
)


def main() -> None:
    """Run the program."""
    try:
        from streams.cli.main import main as run_command_line

        run_command_line()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "streams"):
            raise  # a fault of ours: its traceback is what helps
        print(_SERVER_MISSING.format(package), file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
