"""Traces of messages, with OpenTelemetry if it is installed and wanted, and else without any cost."""
