"""The remotes, each shop and the CRM: what all workers know of their health, and their gates."""
