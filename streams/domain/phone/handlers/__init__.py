"""One module for each kind of event: what it changes in the rows of its recipient."""
