<?php
// The taxes and prices that retrieve adds to products and services.

require_once __DIR__ . '/WooSyncDb.php';

class WooSyncPrices
{
    private $adb;
    private $db;

    public function __construct($adb, WooSyncDb $db)
    {
        $this->adb = $adb;
        $this->db = $db;
    }

    /** Records by number, with their taxes and prices. */
    public function add($module, $records)
    {
        $numbers = array_keys($records);
        $marks = WooSyncDb::marks($numbers);
        $sql = 'SELECT r.productid, t.taxname, r.taxpercentage FROM vtiger_inventorytaxinfo t'
            . ' INNER JOIN vtiger_producttaxrel r ON r.taxid = t.taxid'
            . " WHERE t.method <> 'Deducted' AND r.productid IN ($marks)";
        foreach ($this->db->encodedRows($sql, $numbers) as $row) {
            $records[$row['productid']][$row['taxname']] = $row['taxpercentage'];
        }
        $prices = array();
        $sql = "SELECT productid, currencyid, actual_price FROM vtiger_productcurrencyrel WHERE productid IN ($marks)";
        foreach ($this->db->rows($sql, $numbers) as $row) {
            $prices[$row['productid']][$row['currencyid']] = $row['actual_price'];
        }
        $currencies = array_column($this->db->rows(
            "SELECT id FROM vtiger_currency_info WHERE currency_status = 'Active' AND deleted = 0"
        ), 'id');
        $prefix = VtigerWebserviceObject::fromName($this->adb, 'Currency')->getEntityId();
        foreach ($this->bases($module, $numbers) as $number => $base) {
            foreach ($currencies as $currency) {
                $price = isset($prices[$number][$currency]) ? $prices[$number][$currency] : null;
                $records[$number]["currency$currency"] = self::shown($price);
                if ((string) $currency === (string) $base) {
                    $records[$number]['currency_id'] = vtws_getId($prefix, $currency);
                }
            }
        }
        return $records;
    }

    private function bases($module, $numbers)
    {
        list($table, $index) = $module === 'Services'
            ? array('vtiger_service', 'serviceid') : array('vtiger_products', 'productid');
        $sql = "SELECT $index AS number, currency_id FROM $table WHERE $index IN (" . WooSyncDb::marks($numbers) . ')';
        return array_column($this->db->rows($sql, $numbers), 'currency_id', 'number');
    }

    /** By way of the user's format, which rounds to the user's decimals, as retrieve does it. */
    private static function shown($price)
    {
        $known = $price === null || $price === '' ? '0' : $price;
        return CurrencyField::convertToDBFormat(CurrencyField::convertToUserFormat($known, null, true));
    }
}
