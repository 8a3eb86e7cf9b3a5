"""The dispatcher: requests in, the phone stage, statuses, releases and dead letters out."""
