"""The whole stack on one machine: its services, their order and their run files."""
