"""Forgetting a recipient: request it, follow how far it is, and list what stays until when."""
