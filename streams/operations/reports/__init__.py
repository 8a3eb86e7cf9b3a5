"""Reports: what became of the messages that were accepted in a time, counted from `wa.status` alone."""
