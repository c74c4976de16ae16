"""Manual and scheduled runs: what was asked for, how far each has come, what it found."""
