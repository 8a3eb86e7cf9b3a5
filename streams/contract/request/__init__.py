"""A request as callers write it: its form, its content kinds, and how a record is read."""
