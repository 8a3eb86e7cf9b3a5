"""Replays of dead letters: what publishes them, and what became of them."""
