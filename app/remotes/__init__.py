"""The remotes, each shop and the CRM: their shared state, gates and incidents."""
