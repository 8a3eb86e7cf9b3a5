"""`python -m streams.cli`: the same as `wa-streams`, without an installation."""

from streams.cli.main import main

main()
