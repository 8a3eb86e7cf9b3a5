"""What a sender reports about its browser and its page, as metrics and in the log."""
