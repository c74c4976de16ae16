"""The modules that are synced, one package each, and what they have in common."""
