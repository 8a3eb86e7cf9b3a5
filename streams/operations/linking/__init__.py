"""Linking an account with a phone, and what its sender answers to a person's request."""
