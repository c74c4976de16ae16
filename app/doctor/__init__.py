"""Checks of everything that a sync rests on, each with how to mend what it finds."""
