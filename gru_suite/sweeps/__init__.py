"""Sweeps and searches: jobs in processes of their own, kept in a ledger, so that they resume."""
