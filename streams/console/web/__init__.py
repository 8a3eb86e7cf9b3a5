"""The console over HTTP: pages for people, an API for programs, probes. Every verb is one of `streams/operations`."""
