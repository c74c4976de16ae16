"""What Vtiger calls the modules."""

from app.records import Module

VTIGER_MODULES = {
    Module.CONTACTS: "Contacts",
    Module.PRODUCTS: "Products",
    Module.TAXES: "Tax",
    Module.SALES_ORDERS: "SalesOrder",
}
