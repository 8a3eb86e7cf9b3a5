"""Reads back a log line that a worker wrote, in either format. The other half of `rendering`."""

import orjson

_LEVEL_MARK = " CRITICAL "


def read_message(line: str) -> str:
    """The message of a line of level critical; any other line is a message itself."""
    if line.startswith("{"):
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError:
            return line
        return str(document.get("event", line))
    _, separator, rest = line.partition(_LEVEL_MARK)
    return rest.partition(": ")[2] if separator else line
