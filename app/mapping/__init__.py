"""Both systems' records as the same named values, and values as patches for each; all pure."""
