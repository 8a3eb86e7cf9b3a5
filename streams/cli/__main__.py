"""`python -m streams.cli`: the same as `wa-streams`, for a program that is not installed."""

from streams.cli.main import main

main()
