"""Taxes: the rates of a shop, and Vtiger's taxes."""
