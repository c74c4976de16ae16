"""Both systems imitated over HTTP, so that the service can be tried and tested without them."""
