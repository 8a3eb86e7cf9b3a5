"""How one dispatch becomes at most one message: the command, the claim, the attempt and the message's id."""
