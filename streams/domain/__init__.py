"""The decisions of wa-streams, pure: no clock, no dice, no I/O, no Faust, nothing else of ours."""
