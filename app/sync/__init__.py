"""The synchronisation engine: reads, matches, merges and writes pairs, and logs the outcome."""
