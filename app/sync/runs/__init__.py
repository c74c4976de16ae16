"""Runs: a sync, a comparison or a repair of whole modules, on demand or by schedule."""
