"""The sender: one account, one browser; releases in, outcomes and acks out."""
