"""What every consumer of this process makes of the bytes that it fetches. No connection is opened here."""
