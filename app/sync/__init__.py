"""Bringing pairs of records into agreement: read, match, merge, write, and tell the outcome."""
