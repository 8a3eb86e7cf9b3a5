"""Alerts: what the samples of all workers say, published on `wa.alerts`. One dispatcher decides at a time."""
