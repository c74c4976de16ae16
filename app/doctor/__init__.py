"""Checks of the requirements of a sync, each with the remedies for its findings."""
