<?php
// Writes orders with their lines as the edit screen does: one save, with $_REQUEST filled as its form
// would. The web service's own way loses lines where two orders are created at once, and does not
// work at all in Vtiger 8.3 and 8.4.

require_once __DIR__ . '/WooSyncChecks.php';
require_once __DIR__ . '/WooSyncDb.php';
require_once __DIR__ . '/WooSyncOrderTotals.php';

class WooSyncOrderWriter
{
    const MODULE = 'SalesOrder';
    const LINE_NUMBERS = '/^(quantity|listprice|discount_amount|discount_percent|tax[0-9]+)$/D';
    const ORDER_NUMBERS = '/^(hdnDiscount(Amount|Percent)|txtAdjustment|hdnS_H_(Amount|Percent)|conversion_rate|shtax[0-9]+_sh_percent|shipping_&_handling(_shtax[0-9]+)?)$/D';
    const NULLABLE = array('hdnDiscountPercent', 'txtAdjustment');

    private $adb;
    private $db;
    private $user;
    private $checks;

    public function __construct($adb, $user, WooSyncChecks $checks)
    {
        $this->adb = $adb;
        $this->db = new WooSyncDb($adb);
        $this->user = $user;
        $this->checks = $checks;
    }

    /** The id of the new order. Throws WebServiceException, InvalidArgumentException. */
    public function create($element)
    {
        $element = self::plain($element);
        $handler = vtws_getModuleHandlerFromName(self::MODULE, $this->user);
        $element = $this->checks->create(self::MODULE, $handler->getMeta(), $element);
        if (empty($element['hdnTaxType'])) {
            $element['hdnTaxType'] = Inventory_TaxRecord_Model::getSelectedDefaultTaxMode();
        }
        $element += array('conversion_rate' => '1');
        return $this->save($handler, CRMEntity::getInstance(self::MODULE), $element, array());
    }

    /** What is not sent of discount, shipping and adjustment is none; of all else, as it was. */
    public function revise($element)
    {
        $element = self::plain($element);
        $handler = vtws_getModuleHandlerFromName(self::MODULE, $this->user);
        $this->checks->revise(self::MODULE, $handler->getMeta(), $element);
        $number = (int) explode('x', $element['id'])[1];
        $focus = CRMEntity::getInstance(self::MODULE);
        $focus->id = $number;
        $focus->retrieve_entity_info($number, self::MODULE);
        foreach ($focus->column_fields as $name => $value) {
            $focus->column_fields[$name] = is_array($value) ? $value : decode_html($value);
        }
        $focus->mode = 'edit';
        $sql = 'SELECT DISTINCT productid FROM vtiger_inventoryproductrel WHERE id = ?';
        return $this->save($handler, $focus, $element, array_column($this->db->rows($sql, array($number)), 'productid'));
    }

    /** The element with its numbers as text; what cannot be reckoned with is refused here. */
    private static function plain($element)
    {
        foreach (self::NULLABLE as $name) {
            if (isset($element[$name]) && $element[$name] === '') {
                unset($element[$name]);
            }
        }
        foreach (preg_grep(self::ORDER_NUMBERS, array_keys($element)) as $name) {
            $element[$name] = WooSyncOrderTotals::number($element, $name);
        }
        $lines = is_array($element['LineItems']) ? array_values($element['LineItems']) : array();
        foreach ($lines as $position => $line) {
            if (!is_array($line) || !isset($line['productid'], $line['quantity']) || !is_string($line['productid'])) {
                throw new InvalidArgumentException('A line needs a product or service, and a quantity');
            }
            foreach (preg_grep(self::LINE_NUMBERS, array_keys($line)) as $name) {
                $isUnused = $line[$name] === '' && $name[0] === 't'; // refused later if it counts
                $lines[$position][$name] = $isUnused ? '' : WooSyncOrderTotals::number($line, $name);
            }
        }
        WooSyncChecks::demand($lines, 'MANDATORY_FIELDS_MISSING', 'Mandatory Fields Missing..');
        $element['LineItems'] = $lines;
        return $element;
    }

    private function save($handler, $focus, $element, $kept)
    {
        $products = $this->products($element['LineItems'], $kept);
        foreach ($element['LineItems'] as $position => $line) {
            $product = $products[$line['productid']];
            $line += array('listprice' => $product['price']);
            if (WooSyncOrderTotals::isIndividual($element) && !WooSyncOrderTotals::taxNames($line)) {
                $line += $product['rates'];
            }
            $element['LineItems'][$position] = $line;
        }
        $totals = WooSyncOrderTotals::of($element, array_column($products, 'rates', 'id'));
        $_REQUEST = self::form($element, $totals);
        $fields = $handler->sanitizeShippingTaxes($element); // enters the charges in $_REQUEST, too
        unset($fields['LineItems']);
        foreach (DataTransform::sanitizeForInsert($fields, $handler->getMeta()) as $name => $value) {
            $focus->column_fields[$name] = $value;
        }
        $focus->column_fields['hdnSubTotal'] = $totals['subtotal'];
        $focus->column_fields['hdnGrandTotal'] = $totals['total'];
        $focus->column_fields['pre_tax_total'] = $totals['pre_tax_total'];
        $GLOBALS['currentModule'] = self::MODULE;
        $GLOBALS['updateInventoryProductRel_deduct_stock'] = false;
        $focus->save(self::MODULE);
        $this->completeLines((int) $focus->id, $element['LineItems']);
        return vtws_getId($handler->getMeta()->getEntityId(), $focus->id);
    }

    /**
     * The products and services of the lines by id: price, and the rates that they carry. One that
     * is deleted carries none. One that never was is refused, unless the order has it already.
     */
    private function products($lines, $kept)
    {
        $products = array();
        foreach (array_unique(array_column($lines, 'productid')) as $id) {
            $module = $this->checks->moduleOf($id);
            $isGood = in_array($module, array('Products', 'Services'), true);
            WooSyncChecks::demand($isGood, 'REFERENCE_INVALID', 'Invalid reference specified for productid');
            $products[explode('x', $id)[1]] = compact('id', 'module') + array('price' => '0', 'rates' => array(), 'found' => '');
        }
        $numbers = array_keys($products);
        $marks = WooSyncDb::marks($numbers);
        $sql = 'SELECT c.crmid, c.setype, p.unit_price FROM vtiger_crmentity c'
            . " LEFT JOIN vtiger_products p ON p.productid = c.crmid WHERE c.crmid IN ($marks)";
        foreach ($this->db->rows($sql, $numbers) as $row) {
            $products[$row['crmid']]['found'] = $row['setype'];
            $products[$row['crmid']]['price'] = (string) ($row['unit_price'] ?: '0');
        }
        foreach ($products as $number => $product) {
            $isThere = $product['found'] === $product['module'] || in_array((string) $number, $kept);
            WooSyncChecks::demand($isThere, 'RECORD_NOT_FOUND', "There is no product or service {$product['id']}");
        }
        $sql = 'SELECT r.productid, t.taxname, r.taxpercentage FROM vtiger_producttaxrel r'
            . ' INNER JOIN vtiger_inventorytaxinfo t ON t.taxid = r.taxid AND t.deleted = 0'
            . " INNER JOIN vtiger_crmentity c ON c.crmid = r.productid AND c.deleted = 0 WHERE r.productid IN ($marks)";
        foreach ($this->db->rows($sql, $numbers) as $row) {
            $products[$row['productid']]['rates'][$row['taxname']] = (string) $row['taxpercentage'];
        }
        return array_column($products, null, 'id');
    }

    /**
     * The edit screen's form. Without `action` dates and amounts are taken in the user's own format,
     * which is what DataTransform makes of them.
     */
    private static function form($element, $totals)
    {
        $amount = WooSyncOrderTotals::number($element, 'hdnDiscountAmount');
        $percent = WooSyncOrderTotals::number($element, 'hdnDiscountPercent');
        $adjustment = WooSyncOrderTotals::number($element, 'txtAdjustment');
        $form = array(
            'action' => 'Save', 'ajxaction' => '',
            'totalProductCount' => count($element['LineItems']),
            'taxtype' => isset($element['hdnTaxType']) ? $element['hdnTaxType'] : '',
            'subtotal' => $totals['subtotal'],
            'pre_tax_total' => $totals['pre_tax_total'],
            'total' => $totals['total'],
            'discount_type_final' => self::discountType($amount, $percent),
            'discount_amount_final' => $amount,
            'discount_percentage_final' => $percent,
            'adjustmentType' => $adjustment[0] === '-' ? '-' : '+',
            'adjustment' => ltrim($adjustment, '-'),
            's_h_percent' => '',
        );
        if (isset($element['region_id'])) {
            $form['region_id'] = $element['region_id'];
        }
        foreach ($element['LineItems'] as $position => $line) {
            $n = $position + 1;
            $form["hdnProductId$n"] = explode('x', $line['productid'])[1];
            $form["qty$n"] = $line['quantity'];
            $form["listPrice$n"] = $line['listprice'];
            $form["comment$n"] = isset($line['comment']) ? $line['comment'] : '';
            $form["productDescription$n"] = isset($line['description']) ? $line['description'] : '';
            $form["purchaseCost$n"] = isset($line['purchase_cost']) ? $line['purchase_cost'] : '';
            $form["margin$n"] = isset($line['margin']) ? $line['margin'] : '';
            $form["subproduct_ids$n"] = '';
            $lineAmount = WooSyncOrderTotals::number($line, 'discount_amount');
            $linePercent = WooSyncOrderTotals::number($line, 'discount_percent');
            $form["discount_type$n"] = self::discountType($lineAmount, $linePercent);
            $form["discount_amount$n"] = $lineAmount;
            $form["discount_percentage$n"] = $linePercent;
            foreach (WooSyncOrderTotals::taxNames($line) as $name) {
                $form[$name . '_percentage' . $n] = $line[$name];
                $form += array($name . '_group_percentage' => $line[$name]); // the first line's counts
            }
        }
        return $form;
    }

    private static function discountType($amount, $percent)
    {
        return (float) $amount ? 'amount' : ((float) $percent ? 'percentage' : 'zero');
    }

    /** What the form cannot say, so that the lines are those that the web service would make. */
    private function completeLines($order, $lines)
    {
        $taxes = array_column($this->db->rows('SELECT taxname FROM vtiger_inventorytaxinfo WHERE deleted = 0'), 'taxname');
        foreach ($lines as $position => $line) {
            $values = array(
                'comment' => isset($line['comment']) ? $line['comment'] : '',
                'description' => isset($line['description']) ? $line['description'] : '',
                'discount_amount' => WooSyncOrderTotals::number($line, 'discount_amount'),
                'discount_percent' => WooSyncOrderTotals::number($line, 'discount_percent'),
            );
            foreach ($taxes as $name) {
                $values[$name] = empty($line[$name]) ? '0' : $line[$name];
            }
            $sql = 'UPDATE vtiger_inventoryproductrel SET ' . implode(' = ?, ', array_keys($values))
                . ' = ? WHERE id = ? AND sequence_no = ?';
            $this->db->change($sql, array_merge(array_values($values), array($order, $position + 1)));
        }
    }
}
