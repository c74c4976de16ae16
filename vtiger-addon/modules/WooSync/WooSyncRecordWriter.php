<?php
// Writes one record in this process as the web service would, whatever was written before it.

require_once __DIR__ . '/WooSyncChecks.php';
require_once __DIR__ . '/WooSyncOrderWriter.php';

class WooSyncRecordWriter
{
    private $adb;
    private $user;
    private $checks;
    private $orders;
    private $module;

    public function __construct($adb, $user)
    {
        require_once 'include/Webservices/Create.php';
        require_once 'include/Webservices/Revise.php';
        require_once 'modules/com_vtiger_workflow/VTEntityCache.inc';
        $this->adb = $adb;
        $this->user = $user;
        $this->checks = new WooSyncChecks($adb, $user);
        $this->orders = new WooSyncOrderWriter($adb, $user, $this->checks);
        $this->module = isset($GLOBALS['currentModule']) ? $GLOBALS['currentModule'] : null;
    }

    /** The id of the record. Throws WebServiceException, InvalidArgumentException and what Vtiger throws. */
    public function write($item)
    {
        $this->forget();
        ob_start(); // Vtiger's handlers may print
        try {
            return $this->dispatch($item);
        } finally {
            ob_end_clean();
            $GLOBALS['current_user'] = $this->user; // a workflow's field update leaves the administrator here
        }
    }

    private function dispatch($item)
    {
        $isDirect = $item['module'] === WooSyncOrderWriter::MODULE && isset($item['fields']['LineItems']);
        if ($item['action'] === 'delete') {
            return $this->delete($item['module'], $item['id']);
        }
        if (!$isDirect) {
            $this->checks->owners(vtws_getModuleHandlerFromName($item['module'], $this->user)->getMeta(), $item['fields']);
        }
        if ($item['action'] === 'create') {
            return $isDirect ? $this->orders->create($item['fields'])
                : vtws_create($item['module'], $item['fields'], $this->user)['id'];
        }
        $element = array('id' => $item['id']) + $item['fields'];
        if ($isDirect) {
            return $this->orders->revise($element);
        }
        $isRight = $this->checks->moduleOf($item['id']) === $item['module'];
        WooSyncChecks::demand($isRight, 'INVALID_ID_ATTRIBUTE', 'Id specified is incorrect');
        vtws_revise($element, $this->user);
        return $item['id'];
    }

    /** Into the recycle bin, as from Vtiger's pages; its web service takes an order's lines away first. */
    private function delete($module, $id)
    {
        $meta = vtws_getModuleHandlerFromName($module, $this->user)->getMeta();
        $this->checks->delete($module, $meta, $id);
        DeleteEntity($module, $module, CRMEntity::getInstance($module), explode('x', $id)[1], '');
        return $id;
    }

    /** Vtiger expects one record in a process; each of these would leak into the next one. */
    private function forget()
    {
        $_REQUEST = array('action' => '', 'ajxaction' => '');
        $GLOBALS['currentModule'] = $this->module;
        $GLOBALS['VTIGER_BULK_SAVE_MODE'] = false; // stays on where a stock create of an order failed
        $GLOBALS['updateInventoryProductRel_update_product_array'] = array();
        $GLOBALS['updateInventoryProductRel_deduct_stock'] = true;
        VTEntityCache::$_vtWorflow_entity_cache = array();
    }
}
