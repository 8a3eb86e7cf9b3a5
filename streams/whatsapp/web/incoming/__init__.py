"""Messages to the account: read through the adapter, and decoded."""
