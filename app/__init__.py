"""Keeps WooCommerce and Vtiger CRM in agreement."""
