"""Sales orders: orders of a shop, and Vtiger's SalesOrder with its lines and totals."""
