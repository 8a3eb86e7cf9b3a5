"""Values that the events and rows of a phone hold."""
