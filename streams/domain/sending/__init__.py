"""How one dispatch becomes at most one message: the claim, the attempt, the message's id."""
