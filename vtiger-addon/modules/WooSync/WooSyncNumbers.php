<?php
// Numbers of new records (CON12, SO34), taken before their transactions and for all records of a call.
// Vtiger reads the counter and then writes it back: whoever saved while a transaction of ours is open
// would read the old number and give it to another record.

require_once __DIR__ . '/WooSyncDb.php';

class WooSyncNumbers
{
    const READ = '/^\s*select\s+cur_id\s*,\s*prefix\s+from\s+vtiger_modentity_num\b/i';
    const WRITE = '/^\s*update\s+vtiger_modentity_num\s+set\s+cur_id\b/i';

    private $db;
    private $stock = array(); // by module: numbers that are left, the counter's row, and what it is at now
    private $used = array(); // by module: those that the record has which is being saved
    private $isRead = false;

    public function __construct(WooSyncDb $db)
    {
        $this->db = $db;
    }

    public function lacks($module)
    {
        return !isset($this->stock[$module]);
    }

    /** Within a transaction of its own. Modules without numbers, or with odd ones, are left to Vtiger. */
    public function take($module, $count)
    {
        $sql = 'SELECT num_id, cur_id, prefix FROM vtiger_modentity_num WHERE semodule = ? AND active = 1 FOR UPDATE';
        $rows = $this->db->rows($sql, array($module));
        $this->stock[$module] = array('left' => array());
        if (count($rows) !== 1 || !ctype_digit((string) $rows[0]['cur_id'])) {
            return;
        }
        $numbers = array((string) $rows[0]['cur_id']);
        for ($i = 0; $i < $count; $i++) {
            $numbers[] = str_pad((string) ($numbers[$i] + 1), strlen($numbers[$i]), '0', STR_PAD_LEFT);
        }
        $at = array_pop($numbers);
        $this->move($rows[0], $numbers[0], $at);
        $this->stock[$module] = array('left' => $numbers, 'row' => $rows[0], 'at' => $at);
    }

    /**
     * The values that Vtiger's own statement shall find in the place of the counter's, true for a
     * statement that is done already, null for any other. Where no number is left, as for a record that
     * a workflow makes, it has to wait for whoever else takes one.
     */
    public function instead(&$sql, $values)
    {
        if ($this->isRead && preg_match(self::WRITE, $sql)) {
            $this->isRead = false;
            return true;
        }
        if (!preg_match(self::READ, $sql)) {
            return null;
        }
        foreach ($this->stock as $module => $stock) {
            $isOwn = strpos($sql, "'$module'") || in_array($module, (array) $values, true);
            if ($isOwn && $stock['left']) {
                $this->isRead = true;
                $this->used[$module][] = array_shift($this->stock[$module]['left']);
                return array(end($this->used[$module]), (string) $stock['row']['prefix']);
            }
        }
        $sql .= ' FOR UPDATE';
        return null;
    }

    /** The record is there, or it is not and its numbers are for the next one. */
    public function settle($isSaved)
    {
        foreach ($isSaved ? array() : $this->used as $module => $numbers) {
            $this->stock[$module]['left'] = array_merge($numbers, $this->stock[$module]['left']);
        }
        $this->used = array();
        $this->isRead = false;
    }

    /** What was not used. A gap stays where somebody took the next one meanwhile, or holds the counter. */
    public function giveBack()
    {
        try {
            foreach ($this->stock as $stock) {
                if ($stock['left']) {
                    $this->move($stock['row'], $stock['at'], $stock['left'][0]);
                }
            }
        } catch (RuntimeException $failure) {
            error_log('WooSync: ' . $failure->getMessage());
        }
        $this->stock = array();
    }

    private function move($row, $from, $to)
    {
        $sql = 'UPDATE vtiger_modentity_num SET cur_id = ? WHERE num_id = ? AND cur_id = ?';
        $this->db->change($sql, array($to, $row['num_id'], $from));
    }
}
