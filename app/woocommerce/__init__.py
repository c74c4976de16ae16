"""WooCommerce: its REST API and its webhooks."""
