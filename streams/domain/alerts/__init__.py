"""Alerts: which condition of which metrics needs a person. Pure: one table for Prometheus and for `wa.alerts`."""
