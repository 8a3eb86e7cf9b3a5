"""How events of the phone log are decided and committed, many together."""
