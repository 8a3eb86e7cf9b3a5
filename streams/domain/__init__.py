"""The core: every decision of wa-streams, pure, without clock, randomness or I/O.

It imports no other package of the project.
"""
