"""HTTP in both directions: exchanges with remotes, and the server with its limits."""
