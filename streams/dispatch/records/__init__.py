"""What follows from a row or a request, as records: one module for each kind of record. Decides nothing."""
