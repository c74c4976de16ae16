<?php
// The lines, charges and compound taxes that retrieve adds to orders.

require_once __DIR__ . '/WooSyncDb.php';

class WooSyncOrderLines
{
    private $db;
    private $user;
    private $facts;

    public function __construct(WooSyncDb $db, $user)
    {
        $this->db = $db;
        $this->user = $user;
    }

    /** Records by number, with their lines and charges. */
    public function add($module, $records)
    {
        $handler = vtws_getModuleHandlerFromName($module, $this->user);
        $columns = array_flip(getLineItemFields());
        $numbers = array_keys($records);
        $charges = $this->charges($numbers);
        $lines = $this->lines($numbers, $records);
        $compound = $this->withCompoundTaxes($numbers);
        foreach ($records as $number => $record) {
            $own = isset($lines[$number]) ? $lines[$number] : array();
            $record = array_diff_key($record, $columns);
            $record = array_merge($record, isset($charges[$number]) ? $charges[$number] : array());
            $record['LineItems'] = array_column($own, 0);
            $record['LineItems_FinalDetails'] = self::finalDetails($own);
            $record['productid'] = isset($record['LineItems'][0]['productid']) ? $record['LineItems'][0]['productid'] : '';
            if (isset($compound[$number])) {
                $record = array_merge($record, $handler->getCompoundTaxesElement($record, $record['LineItems']));
            }
            $records[$number] = $record;
        }
        return $records;
    }

    private function lines($numbers, $records)
    {
        $meta = vtws_getModuleHandlerFromName('LineItem', $this->user)->getMeta();
        $sql = 'SELECT c.label AS productname, c.setype AS entitytype, c.deleted AS productdeleted, l.*'
            . ' FROM vtiger_inventoryproductrel l LEFT JOIN vtiger_crmentity c ON c.crmid = l.productid'
            . ' WHERE l.id IN (' . WooSyncDb::marks($numbers) . ') ORDER BY l.id, l.lineitem_id';
        $prefixes = array_column($this->db->rows('SELECT id, name FROM vtiger_ws_entity'), 'id', 'name');
        $lines = array();
        foreach ($this->db->encodedRows($sql, $numbers) as $row) {
            $order = $row['id'];
            $product = $row['productid'];
            // DataTransform would look for each product once more.
            $line = DataTransform::filterAndSanitize(array('productid' => null, 'parent_id' => null) + $row, $meta);
            $line['parent_id'] = $records[$order]['id'];
            if ($row['productdeleted'] === '0') {
                $line['productid'] = vtws_getId($prefixes[$row['entitytype']], $product);
            }
            $line['product_name'] = $row['productname'];
            $line['entity_type'] = $row['entitytype'];
            $line['id'] = vtws_getId($meta->getEntityId(), $row['lineitem_id']);
            $line['deleted'] = $row['productdeleted'];
            $lines[$order][] = array($line, $product);
        }
        return $lines;
    }

    /** Of all the details, the product of a line: the line itself does not name one that is deleted. */
    private static function finalDetails($lines)
    {
        $details = array();
        foreach ($lines as $position => list(, $product)) {
            $n = $position + 1;
            $details[$n] = array("hdnProductId$n" => $product);
        }
        return $details;
    }

    /** As VtigerInventoryOperation::getChargesElement() names them. */
    private function charges($numbers)
    {
        if ($this->facts === null) {
            $this->facts = array(getAllCharges(), array_column(getAllTaxes('all', 'sh'), 'taxid', 'taxid'));
        }
        list($all, $taxes) = $this->facts;
        $sql = 'SELECT recordid, charges FROM vtiger_inventorychargesrel WHERE recordid IN (' . WooSyncDb::marks($numbers) . ')';
        $elements = array();
        foreach ($this->db->rows($sql, $numbers) as $row) {
            $element = array();
            foreach ((array) json_decode((string) $row['charges'], true) as $id => $charge) {
                $name = isset($all[$id]) ? html_entity_decode(strtolower(str_replace(' ', '_', $all[$id]['name']))) : '';
                $element[$name] = isset($charge['percent']) ? $charge['percent'] . '%'
                    : (isset($charge['value']) ? $charge['value'] : null);
                foreach (isset($charge['taxes']) ? $charge['taxes'] : array() as $tax => $percent) {
                    if (isset($taxes[$tax])) {
                        $element[$name . '_shtax' . $tax] = $percent;
                    }
                }
            }
            $elements[$row['recordid']] = $element;
        }
        return $elements;
    }

    /** Numbers of orders with compound taxes, which few have. */
    private function withCompoundTaxes($numbers)
    {
        $sql = 'SELECT salesorderid FROM vtiger_salesorder WHERE salesorderid IN (' . WooSyncDb::marks($numbers)
            . ") AND compound_taxes_info NOT IN ('', '[]', 'null')";
        return array_flip(array_column($this->db->rows($sql, $numbers), 'salesorderid'));
    }
}
