"""HTTP in both directions: the client behind the gate, and the server's own limits."""
