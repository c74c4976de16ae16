"""What the users chose: sync settings and custom mappings per store and module."""
