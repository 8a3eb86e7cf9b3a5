"""The records of `wa.alerts`."""
