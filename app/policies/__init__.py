"""Sync settings, custom mappings, and access to the service."""
