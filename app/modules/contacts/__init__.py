"""Contacts: customers and guests of a shop, and Vtiger's contacts and organisations."""
