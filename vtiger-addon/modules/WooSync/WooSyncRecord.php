<?php
// A record that a page is about, and what the user may do with it: asked of Vtiger, never of the request.

require_once __DIR__ . '/WooSyncState.php';
require_once __DIR__ . '/WooSyncBadge.php';

class WooSyncRecord
{
    public $number;
    public $module; // '' where the record is gone, or is of a module that has no badge

    public function __construct($number)
    {
        $this->number = (int) $number;
        $isThere = $this->number && isRecordExists($this->number);
        $module = $isThere ? (string) getSalesEntityType($this->number) : '';
        $this->module = isset(WooSyncBadge::KINDS[$module]) ? $module : '';
    }

    public function mayBeSeen()
    {
        return $this->isPermitted('DetailView');
    }

    public function mayBeEdited()
    {
        return $this->isPermitted('EditView');
    }

    private function isPermitted($action)
    {
        return $this->module !== ''
            && Users_Privileges_Model::isPermitted($this->module, $action, $this->number) === true;
    }

    /** As the web service calls it, 12x34. */
    public function id()
    {
        $prefixes = WooSyncState::shared()->outbox->prefixes();
        return WooSyncBatch::id($prefixes, $this->module, $this->number);
    }
}
