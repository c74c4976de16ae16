"""The sync log: every outcome with its reason, append-only, and totals that need no scan."""
