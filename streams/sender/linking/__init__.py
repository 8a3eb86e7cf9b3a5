"""The link of the account: what persons request for it, and what the sender does about it."""
