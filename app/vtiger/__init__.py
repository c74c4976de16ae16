"""Vtiger CRM: its webservice API and its workflow callbacks."""
