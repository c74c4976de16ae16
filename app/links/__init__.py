"""Pairs of records, what both sides agreed on, and who may work on a pair now."""
