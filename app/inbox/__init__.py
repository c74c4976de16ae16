"""The inbox: every accepted hint, its state, attempts and fate."""
