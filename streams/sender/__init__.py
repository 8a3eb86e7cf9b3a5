"""The sender: one account, one browser. Dispatches come in; outcomes and receipts go out."""
