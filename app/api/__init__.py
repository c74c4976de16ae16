"""The service's own HTTP interface: receivers, the log, deliveries, settings, health."""
