"""Keeps WooCommerce and Vtiger CRM in agreement."""

__version__ = "0.1.0"
