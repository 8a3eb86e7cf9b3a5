"""Fakes that ship with wa-streams, for fast tests of the product and of its users."""
