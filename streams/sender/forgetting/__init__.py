"""A forgotten recipient, at one account: what this sender remembers of it, and its chat."""
