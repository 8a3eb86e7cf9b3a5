"""Pages beside the daily work: reports, consent and forgetting, templates."""
