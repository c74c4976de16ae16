<?php
// Whole records by a few queries for all of them, equal to what retrieve shows of each; but of an order's
// LineItems_FinalDetails only the products are there, and its lines' parent_id is right.

require_once __DIR__ . '/WooSyncDb.php';
require_once __DIR__ . '/WooSyncOrderLines.php';
require_once __DIR__ . '/WooSyncPrices.php';

class WooSyncReader
{
    const LINES = 'vtiger_inventoryproductrel'; // many rows of an order, read for themselves

    private $adb;
    private $db;
    private $user;
    private $extras;
    private $metas = array();

    public function __construct($adb, $user)
    {
        $this->adb = $adb;
        $this->db = new WooSyncDb($adb);
        $this->user = $user;
        $prices = new WooSyncPrices($adb, $this->db);
        $this->extras = array(
            'Products' => $prices,
            'Services' => $prices,
            'SalesOrder' => new WooSyncOrderLines($this->db, $user),
        );
    }

    /** Ids like 12x34 of records that changed at or after a moment, after a number, in their order. */
    public function changed($module, $since, $after, $limit)
    {
        $sql = 'SELECT crmid FROM vtiger_crmentity WHERE setype = ? AND deleted = 0 AND modifiedtime >= ?'
            . ' AND crmid > ? ORDER BY crmid LIMIT ' . (int) $limit;
        $prefix = $this->meta($module)->getEntityId();
        $ids = array();
        foreach ($this->db->rows($sql, array($module, $since ?: '1000-01-01', (int) $after)) as $row) {
            $ids[] = $prefix . 'x' . $row['crmid'];
        }
        return $ids;
    }

    /** Records by their ids; those that are gone, deleted or of another module are left out. */
    public function records($module, $ids)
    {
        $prefix = $this->meta($module)->getEntityId();
        $numbers = array();
        foreach ($ids as $id) {
            if (preg_match("/^{$prefix}x([0-9]{1,10})$/D", $id, $found)) {
                $numbers[] = (int) $found[1];
            }
        }
        if (!$numbers) {
            return array();
        }
        $records = array();
        foreach ($this->rows($module, $numbers) as $number => $row) {
            $records[$number] = DataTransform::filterAndSanitize($row, $this->meta($module));
        }
        if ($records && isset($this->extras[$module])) {
            $records = $this->extras[$module]->add($module, $records);
        }
        return array_column($records, null, 'id');
    }

    /** As CRMEntity::retrieve_entity_info() reads them one by one, by number. */
    private function rows($module, $numbers)
    {
        $focus = CRMEntity::getInstance($module);
        getColumnFields($module); // fills the cache of fields
        $names = array();
        $columns = array();
        foreach (VTCacheUtils::lookupFieldInfo_Module($module) as $field) {
            if (self::isOfOneRow($focus, $field)) {
                $columns[] = "{$field['tablename']}.{$field['columnname']} AS f" . count($names);
                $names[] = $field['fieldname'];
            }
        }
        $sql = 'SELECT vtiger_crmentity.crmid AS record_id, vtiger_crmentity.label AS record_label, '
            . implode(', ', $columns) . ' FROM vtiger_crmentity ' . $this->joins($module, $focus)
            . ' WHERE vtiger_crmentity.deleted = 0 AND vtiger_crmentity.setype = ?'
            . ' AND vtiger_crmentity.crmid IN (' . WooSyncDb::marks($numbers) . ')';
        $rows = array();
        foreach ($this->db->encodedRows($sql, array_merge(array($module), $numbers)) as $found) {
            $row = array();
            foreach ($names as $position => $name) {
                $row[$name] = isset($found["f$position"]) ? $found["f$position"] : '';
            }
            $row['label'] = !empty($found['record_label']) ? $found['record_label'] : self::label($module, $row);
            $row['record_id'] = $found['record_id'];
            $row['record_module'] = $module;
            $row['tags'] = '';
            $rows[$found['record_id']] = $row;
        }
        return $this->withTags($module, $rows);
    }

    private static function isOfOneRow($focus, $field)
    {
        $many = isset($focus->multirow_tables) ? $focus->multirow_tables
            : array('vtiger_campaignrelstatus', 'vtiger_attachments', 'vtiger_email_track');
        $many[] = self::LINES;
        return !in_array($field['tablename'], $many, true) && isset($focus->tab_name_index[$field['tablename']]);
    }

    private function joins($module, $focus)
    {
        $joins = '';
        foreach ($focus->tab_name_index as $table => $index) {
            if ($table === 'vtiger_crmentity' || $table === self::LINES) {
                continue;
            }
            $own = Vtiger_Functions::isUserSpecificFieldTable($table, $module)
                ? " AND $table.userid = " . (int) $this->user->id : '';
            $joins .= " LEFT JOIN $table ON $table.$index = vtiger_crmentity.crmid$own";
        }
        return $joins;
    }

    private static function label($module, $row)
    {
        $entity = Vtiger_Functions::getEntityModuleInfo($module);
        $parts = array();
        foreach (array_slice(explode(',', (string) $entity['fieldname']), 0, 2) as $name) {
            $parts[] = isset($row[$name]) ? $row[$name] : '';
        }
        return implode(' ', $parts);
    }

    private function withTags($module, $rows)
    {
        if (!$rows) {
            return $rows;
        }
        $sql = 'SELECT o.object_id, t.tag FROM vtiger_freetags t'
            . ' INNER JOIN vtiger_freetagged_objects o ON o.tag_id = t.id'
            . " WHERE (o.tagger_id = ? OR t.visibility = 'public') AND o.module = ?"
            . ' AND o.object_id IN (' . WooSyncDb::marks($rows) . ') ORDER BY o.tagged_on';
        $params = array_merge(array($this->user->id, $module), array_keys($rows));
        foreach ($this->db->encodedRows($sql, $params) as $found) {
            $tags = &$rows[$found['object_id']]['tags'];
            $tags .= ($tags === '' ? '' : ',') . $found['tag'];
            unset($tags);
        }
        return $rows;
    }

    private function meta($module)
    {
        if (!isset($this->metas[$module])) {
            $this->metas[$module] = vtws_getModuleHandlerFromName($module, $this->user)->getMeta();
        }
        return $this->metas[$module];
    }
}
