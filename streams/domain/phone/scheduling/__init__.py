"""When each recipient gets its turn: derived from the rows, without a clock and without I/O."""
