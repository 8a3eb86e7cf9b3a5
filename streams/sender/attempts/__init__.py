"""How the sender carries out an attempt: wait, submit, reconcile. Decides nothing about the message."""
