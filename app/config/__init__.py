"""What can be set, and its reference page."""
