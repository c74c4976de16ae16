"""The inbox: every accepted hint with its state, attempts and outcome."""
