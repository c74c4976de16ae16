"""Incidents: what went wrong around the records, when it began, and how it was mended."""
