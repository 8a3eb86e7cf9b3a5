"""Templates of `wa.templates`: which there are, and what they render. Nothing here answers a request."""
