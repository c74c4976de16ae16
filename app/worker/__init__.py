"""The worker: drains records, wakes them when they are due, and looks after the rest."""
