"""A request as callers write it: its fields, its kinds of content, and how a record is parsed."""
