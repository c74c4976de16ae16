<?php
// What vtws_create, vtws_revise and vtws_delete check before they save, for the writers that save
// by themselves; with the codes and messages of the web service.

require_once __DIR__ . '/WooSyncDb.php';

class WooSyncChecks
{
    const NO_OWNER = 'Cannot assign record to the given user';

    private $adb;
    private $db;
    private $user;

    public function __construct($adb, $user)
    {
        $this->adb = $adb;
        $this->db = new WooSyncDb($adb);
        $this->user = $user;
    }

    /** The element without its empty references, as create goes on with it. */
    public function create($module, $meta, $element)
    {
        $types = $this->types();
        self::demand(in_array($module, $types, true), 'ACCESS_DENIED', 'Permission to perform the operation is denied');
        self::demand($meta->hasCreateAccess() === true, 'ACCESS_DENIED', 'Permission to write is denied');
        foreach ($meta->getReferenceFieldDetails() as $field => $modules) {
            if (isset($element[$field]) && $element[$field] === '') {
                unset($element[$field]);
            }
        }
        $this->checkReferences($meta, $element, $types);
        $meta->hasMandatoryFields($element);
        $this->checkOwners($meta, $element);
        return $element;
    }

    public function revise($module, $meta, $element)
    {
        $this->checkRecord($module, $meta, $element['id'], EntityMeta::$UPDATE);
        self::demand($meta->hasWriteAccess() === true, 'ACCESS_DENIED', 'Permission to write is denied');
        $this->checkReferences($meta, $element, $this->types());
        $meta->isUpdateMandatoryFields($element);
        $this->checkOwners($meta, $element);
    }

    public function delete($module, $meta, $id)
    {
        $this->checkRecord($module, $meta, $id, EntityMeta::$DELETE);
        self::demand($meta->hasDeleteAccess() === true, 'ACCESS_DENIED', 'Permission to delete is denied');
    }

    /** A record that is gone is told as one that may not be seen, as the web service does. */
    private function checkRecord($module, $meta, $id, $right)
    {
        $found = $meta->getObjectEntityName($id);
        $isSeen = in_array($found, $this->types(), true);
        self::demand($isSeen, 'ACCESS_DENIED', 'Permission to perform the operation is denied');
        $isRight = $found === $module && $this->moduleOf($id) === $module;
        self::demand($isRight, 'INVALID_ID_ATTRIBUTE', 'Id specified is incorrect');
        self::demand($meta->hasPermission($right, $id), 'ACCESS_DENIED', 'Permission to read given object is denied');
    }

    private function checkReferences($meta, $element, $types)
    {
        foreach ($meta->getReferenceFieldDetails() as $field => $modules) {
            if (!isset($element[$field]) || $element[$field] === '') {
                continue;
            }
            $name = $this->moduleOf($element[$field]);
            self::demand(in_array($name, $modules, true), 'REFERENCE_INVALID', "Invalid reference specified for $field");
            $isReadable = $name === 'Users' || in_array($name, $types, true);
            self::demand($isReadable, 'ACCESS_DENIED', "Permission to access reference type is denied $name");
            $isAssignable = $name !== 'Users' || $meta->hasAssignPrivilege($element[$field]);
            self::demand($isAssignable, 'ACCESS_DENIED', self::NO_OWNER);
        }
    }

    private function checkOwners($meta, $element)
    {
        $this->owners($meta, $element);
        foreach ($meta->getOwnerFields() as $field) {
            $isAssignable = !isset($element[$field]) || $meta->hasAssignPrivilege($element[$field]);
            self::demand($isAssignable, 'ACCESS_DENIED', self::NO_OWNER);
        }
    }

    /** That owners are there: Vtiger may end the whole process over one that is not. */
    public function owners($meta, $element)
    {
        $tables = array('Users' => array('vtiger_users', 'id'), 'Groups' => array('vtiger_groups', 'groupid'));
        foreach ($meta->getOwnerFields() as $field) {
            if (!isset($element[$field]) || $element[$field] === '') {
                continue;
            }
            $module = $this->moduleOf($element[$field]);
            self::demand(isset($tables[$module]), 'ACCESS_DENIED', self::NO_OWNER);
            list($table, $index) = $tables[$module];
            $number = explode('x', $element[$field])[1];
            $found = $this->db->value("SELECT $index AS found FROM $table WHERE $index = ?", array($number));
            self::demand($found !== null, 'ACCESS_DENIED', self::NO_OWNER);
        }
    }

    /** The module that an id is of, by its prefix alone. */
    public function moduleOf($id)
    {
        $isId = is_string($id) && preg_match('/^[0-9]+x[0-9]+$/D', $id);
        self::demand($isId, 'INVALID_ID_ATTRIBUTE', 'Id specified is incorrect');
        return VtigerWebserviceObject::fromId($this->adb, explode('x', $id)[0])->getEntityName();
    }

    private function types()
    {
        return vtws_listtypes(null, $this->user)['types'];
    }

    public static function demand($isSo, $code, $message)
    {
        if (!$isSo) {
            throw new WebServiceException($code, $message);
        }
    }
}
