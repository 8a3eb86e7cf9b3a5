"""Batches: their fan-out at intake, and the stage that counts and cancels their members."""
