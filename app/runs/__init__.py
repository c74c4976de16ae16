"""Manual and scheduled runs: their requests, progress and differences."""
