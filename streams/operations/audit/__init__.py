"""The audit: what the public topics say about the guarantees. Only `reading` does I/O; `judge` is pure."""
