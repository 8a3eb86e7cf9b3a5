"""Every flight ends: a dispatch that no sender answers is ended by what its claims say.

It is overdue when its deadline is over. It need not wait for that while its account has certainly no sender, and
another account is ready: then its message goes there (resolver.py).

    overdue ──▶ FlightOverdue in the phone log ──▶ the row is marked ──▶ claims are read ──▶ Outcome in the phone log

Why the answer is exact, and no message is sent by two accounts:

1. A sender submits nothing whose claim the broker has not appended before the deadline. The deadline counts from the
   append time of the command.
2. Once the mark is stored, the row's journal holds the dispatch no longer. So no crash publishes its command again,
   and the last deadline is known: one timeout after the command was certainly published (tracker.py).
3. A barrier is written to the changelog of the account's claims (barrier.py). Once the broker has acknowledged it,
   every claim before it can be read (claim_reader.py), and every claim behind it is refused by its sender, whatever the
   clocks say and whichever process that is (domain/sending/resolved.py).
4. A claim that is open keeps the message with its account, whatever else is unknown (domain/sending/unanswered.py).
5. The row takes only the outcome of its dispatch in flight, so a second answer changes nothing; and a late `Sent`
   still makes the message sent (domain/phone/handlers/outcomes.py).
"""
