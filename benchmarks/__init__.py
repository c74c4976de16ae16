"""How fast the parts are that every webhook passes: `make bench`."""
