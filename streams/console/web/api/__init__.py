"""The HTTP API for programs: JSON, without cookies. Errors are problem details (RFC 9457)."""
