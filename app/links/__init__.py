"""Pairs of records: links with their bases, conflicts, and leases."""
