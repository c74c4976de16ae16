"""Products: simple ones and variations of a shop, and Vtiger's products."""
