"""The recovery of the tables from their changelogs: read in large fetches, written in batches, with its progress."""
