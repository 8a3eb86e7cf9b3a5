"""The state machine of one recipient: rows, events, effects and the transition between them."""
