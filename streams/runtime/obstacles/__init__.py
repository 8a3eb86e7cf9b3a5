"""What keeps a worker from its work: topics that it cannot write or read. Found and reported, not cured."""
