"""Services that are started, watched, restarted and stopped. Knows nothing of what a service does."""
