<?php
// Stands in for Vtiger's records: tables, the web service's view of them, and saves, which do by their
// names (lastname, subject) what goes wrong in others: "dies", "breaks", "prints", "workflow", "memory".

const ENTITIES = array(
    'Contacts' => array('vtiger_contactdetails', 'contactid', array('lastname', 'email', 'account_id')),
    'Accounts' => array('vtiger_account', 'accountid', array('accountname')),
    'Products' => array('vtiger_products', 'productid', array('productname', 'unit_price')),
    'Services' => array('vtiger_service', 'serviceid', array('servicename', 'unit_price')),
    'SalesOrder' => array('vtiger_salesorder', 'salesorderid', array(
        'subject', 'account_id', 'hdnTaxType', 'hdnSubTotal', 'hdnGrandTotal', 'pre_tax_total', 'conversion_rate',
    )),
);

class EntityMeta
{
    public static $UPDATE = 'EditView';
    public static $DELETE = 'Delete';
    private $module;

    public function __construct($module)
    {
        $this->module = $module;
    }

    public function getEntityName()
    {
        return $this->module;
    }

    public function getEntityId()
    {
        return VtigerWebserviceObject::fromName(null, $this->module)->id;
    }

    public function getReferenceFieldDetails()
    {
        return array('account_id' => array('Accounts'));
    }

    public function getOwnerFields()
    {
        return array('assigned_user_id');
    }

    private function mandatory()
    {
        return isset(ENTITIES[$this->module]) ? array(ENTITIES[$this->module][2][0], 'assigned_user_id') : array();
    }

    public function hasMandatoryFields($element)
    {
        foreach ($this->mandatory() as $name) {
            if (!isset($element[$name]) || $element[$name] === '') {
                throw new WebServiceException('MANDATORY_FIELDS_MISSING', "$name does not have a value");
            }
        }
    }

    public function isUpdateMandatoryFields($element)
    {
        foreach (array_intersect($this->mandatory(), array_keys($element)) as $name) {
            if ($element[$name] === '') {
                throw new WebServiceException('MANDATORY_FIELDS_MISSING', "$name does not have a value");
            }
        }
    }

    public function getObjectEntityName($id)
    {
        $sql = 'SELECT setype FROM vtiger_crmentity WHERE crmid = ? AND deleted = 0';
        $found = PearDatabase::getInstance()->pquery($sql, array(explode('x', $id)[1]))->rows;
        return $found ? $found[0]['setype'] : null;
    }

    public function __call($name, $arguments)
    {
        return true; // an administrator may do everything
    }
}

class Handler
{
    private $meta;

    public function __construct($module)
    {
        $this->meta = new EntityMeta($module);
    }

    public function getMeta()
    {
        return $this->meta;
    }

    public function sanitizeShippingTaxes($element)
    {
        $_REQUEST['charges'] = array(1 => array('value' => isset($element['hdnS_H_Amount']) ? $element['hdnS_H_Amount'] : null));
        return $element;
    }
}

class VtigerWebserviceObject
{
    public $id;
    private $name;

    private static function find($column, $value)
    {
        $found = PearDatabase::getInstance()->pquery("SELECT id, name FROM vtiger_ws_entity WHERE $column = ?", array($value));
        if (!$found->rows) {
            throw new WebServiceException('ACCESS_DENIED', 'Permission to perform the operation is denied for id');
        }
        $object = new self();
        list($object->id, $object->name) = array_values($found->rows[0]);
        return $object;
    }

    public static function fromId($adb, $id)
    {
        return self::find('id', $id);
    }

    public static function fromName($adb, $name)
    {
        return self::find('name', $name);
    }

    public function getEntityName()
    {
        return $this->name;
    }

    public function getEntityId()
    {
        return $this->id;
    }
}

class DataTransform
{
    public static function sanitizeForInsert($element, $meta)
    {
        foreach (array('account_id', 'assigned_user_id') as $name) {
            if (isset($element[$name]) && strpos($element[$name], 'x')) {
                $element[$name] = explode('x', $element[$name])[1];
            }
        }
        return $element;
    }

    public static function filterAndSanitize($row, $meta)
    {
        $label = $row['label'] ?? '';
        $row['id'] = isset($row['record_id']) ? vtws_getId($meta->getEntityId(), $row['record_id']) : null;
        unset($row['record_id'], $row['record_module']);
        foreach ($row as $name => $value) {
            $row[$name] = $value === null ? null : html_entity_decode($value, ENT_QUOTES);
        }
        if (!empty($row['account_id'])) {
            $row['account_id'] = vtws_getId(11, $row['account_id']);
        }
        return array('label' => $label) + $row;
    }
}

class DuplicateException extends Exception
{
}

class CRMEntity
{
    public $id;
    public $mode = '';
    public $column_fields = array();
    public $tab_name_index;
    public $saved = array();

    public static function getInstance($module)
    {
        $focus = new self();
        list($table, $index) = ENTITIES[$module];
        $focus->tab_name_index = array('vtiger_crmentity' => 'crmid', $table => $index);
        return $focus;
    }

    public function retrieve_entity_info($id, $module)
    {
        list($table, $index, $fields) = ENTITIES[$module];
        $this->id = $id;
        $found = PearDatabase::getInstance()->pquery("SELECT * FROM $table WHERE $index = ?", array($id));
        foreach ($fields as $name) {
            $this->column_fields[$name] = htmlentities((string) $found->rows[0][$name], ENT_QUOTES);
        }
    }

    public function save($module)
    {
        global $current_user;
        $adb = PearDatabase::getInstance();
        list($table, $index, $fields) = ENTITIES[$module];
        $name = $this->column_fields[$fields[0]];
        if ($this->mode !== 'edit' && $module === 'Accounts') {
            $sql = 'SELECT 1 FROM vtiger_account WHERE accountname = ?';
            if ($adb->pquery($sql, array($name))->rows) {
                throw new DuplicateException('Duplicate(s) detected!');
            }
        }
        if ((int) ($this->column_fields['assigned_user_id'] ?? 5) === 99) {
            die('Sorry! Attempt to access restricted file.');
        }
        $isNew = $this->mode !== 'edit';
        $this->id = $isNew ? $adb->getUniqueID('vtiger_crmentity') : $this->id;
        $adb->pquery('SET AUTOCOMMIT=1');
        store($this->id, $module, $current_user->id);
        $adb->pquery('UPDATE vtiger_crmentity SET label = ? WHERE crmid = ?', array($name, $this->id));
        $values = array($this->id);
        foreach ($fields as $field) {
            $values[] = isset($this->column_fields[$field]) ? $this->column_fields[$field] : '';
        }
        $marks = implode(', ', array_fill(0, count($values), '?'));
        $adb->pquery("REPLACE INTO $table ($index, " . implode(', ', $fields) . ") VALUES ($marks)", $values);
        if ($module === 'SalesOrder' && $_REQUEST['ajxaction'] !== 'DETAILVIEW') {
            $this->saveLines($adb);
        }
        if ($isNew && $module === 'Contacts') {
            $sql = 'UPDATE vtiger_contactdetails SET contact_no = ? WHERE contactid = ?';
            $adb->pquery($sql, array($this->setModuleSeqNumber('increment', $module), $this->id));
        }
        $data = new VTEntityData($module, $this->id, $isNew);
        (new VTEventsManager($adb))->triggerEvent('vtiger.entity.aftersave.final', $data);
        $this->misbehave((string) $name);
    }

    public function setModuleSeqNumber($mode, $module)
    {
        $adb = PearDatabase::getInstance();
        $check = $adb->pquery('select cur_id,prefix from vtiger_modentity_num where semodule=? and active = 1', array($module));
        $current = $adb->query_result($check, 0, 'cur_id');
        $next = str_pad((string) ($current + 1), strlen($current), '0', STR_PAD_LEFT);
        $adb->pquery('UPDATE vtiger_modentity_num SET cur_id=? where cur_id=? and active=1 AND semodule=?', array($next, $current, $module));
        return $adb->query_result($check, 0, 'prefix') . $current;
    }

    /** As the edit screen's form has them; the form itself is kept for whoever looks. */
    private function saveLines($adb)
    {
        $adb->pquery('DELETE FROM vtiger_inventoryproductrel WHERE id = ?', array($this->id));
        for ($n = 1; $n <= $_REQUEST['totalProductCount']; $n++) {
            $adb->pquery(
                'INSERT INTO vtiger_inventoryproductrel (id, productid, sequence_no, quantity, listprice, comment)'
                . ' VALUES (?, ?, ?, ?, ?, ?)',
                array($this->id, $_REQUEST["hdnProductId$n"], $n, $_REQUEST["qty$n"], $_REQUEST["listPrice$n"], strip_tags($_REQUEST["comment$n"]))
            );
        }
        $adb->pquery(
            'UPDATE vtiger_salesorder SET hdnSubTotal = ?, pre_tax_total = ?, hdnGrandTotal = ?, hdnTaxType = ? WHERE salesorderid = ?',
            array($_REQUEST['subtotal'], $_REQUEST['pre_tax_total'], $_REQUEST['total'], $_REQUEST['taxtype'], $this->id)
        );
        $adb->pquery('INSERT INTO forms (id, form) VALUES (?, ?)', array($this->id, json_encode($_REQUEST)));
    }

    private function misbehave($name)
    {
        $adb = PearDatabase::getInstance();
        $deeds = array('current_user' => $GLOBALS['current_user']->id, 'bulk' => $GLOBALS['VTIGER_BULK_SAVE_MODE'], 'request' => isset($_REQUEST['left']));
        $adb->pquery('INSERT INTO forms (id, form) VALUES (?, ?)', array(-$this->id, json_encode($deeds)));
        if (strpos($name, 'dies') !== false) {
            die('Sorry!');
        }
        if (strpos($name, 'exhausts') !== false) {
            $GLOBALS['kept'] = str_repeat('x', 1000 * 1048576);
        }
        if (strpos($name, 'breaks') !== false) {
            throw new TypeError('Unsupported operand types');
        }
        if (strpos($name, 'prints') !== false) {
            echo 'Warning: something';
        }
        if (strpos($name, 'workflow') !== false) {
            $GLOBALS['current_user'] = (object) array('id' => 1, 'is_admin' => 'on');
            $GLOBALS['VTIGER_BULK_SAVE_MODE'] = true;
            $_REQUEST['left'] = 'behind';
        }
        if (strpos($name, 'memory') !== false) {
            $GLOBALS['kept'] = str_repeat('x', 100 * 1048576);
        }
    }
}

class VTCacheUtils
{
    public static function lookupFieldInfo_Module($module)
    {
        list($table, , $names) = ENTITIES[$module];
        $fields = array(array('tablename' => 'vtiger_crmentity', 'columnname' => 'modifiedby', 'fieldname' => 'modifiedby'));
        foreach ($names as $name) {
            $fields[] = array('tablename' => $table, 'columnname' => $name, 'fieldname' => $name);
        }
        return $fields;
    }
}

class Vtiger_Functions
{
    public static function isUserSpecificFieldTable($table, $module)
    {
        return false;
    }

    public static function getEntityModuleInfo($module)
    {
        return array('fieldname' => ENTITIES[$module][2][0]);
    }
}

class CurrencyField
{
    public static function convertToUserFormat($value, $user = null, $skipConversion = false)
    {
        return number_format((float) $value, 2, ',', '.');
    }

    public static function convertToDBFormat($value)
    {
        return str_replace(array('.', ','), array('', '.'), $value);
    }
}

class Inventory_TaxRecord_Model
{
    public static function getSelectedDefaultTaxMode()
    {
        return 'group';
    }
}

function DeleteEntity($module, $returnModule, $focus, $id, $returnId)
{
    $adb = PearDatabase::getInstance();
    store($id, $module, $GLOBALS['current_user']->id, 1);
    (new VTEventsManager($adb))->triggerEvent('vtiger.entity.afterdelete', new VTEntityData($module, $id, false));
}

function vtws_getModuleHandlerFromName($name, $user)
{
    return new Handler($name);
}

function vtws_getId($prefix, $number)
{
    return $prefix . 'x' . $number;
}

function vtws_listtypes($fieldTypes, $user)
{
    return array('types' => array_keys(ENTITIES));
}

function decode_html($value)
{
    return html_entity_decode((string) $value, ENT_QUOTES);
}

function getColumnFields($module)
{
    return array();
}

function getLineItemFields()
{
    return array('quantity', 'listprice');
}

function getAllCharges()
{
    return array(1 => array('name' => 'Shipping & Handling'));
}

function getAllTaxes($available, $type = '')
{
    return array(array('taxid' => '1'));
}
