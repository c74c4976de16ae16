"""The Sync Log: every outcome with its reason, append-only, and hourly totals."""
