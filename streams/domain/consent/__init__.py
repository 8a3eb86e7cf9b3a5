"""Whether a recipient wants marketing messages: the words that say so, and what was decided. Pure."""
