"""Files that are fetched by URL: where they may come from, how they are fetched, and where they are kept."""
