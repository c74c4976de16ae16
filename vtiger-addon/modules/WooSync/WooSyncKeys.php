<?php
// The keys of committed writes, each with the record that it wrote: no key writes twice.

require_once __DIR__ . '/WooSyncDb.php';

class WooSyncKeys
{
    const TABLE = 'vtiger_woosync_keys';
    const PATTERN = '/^[A-Za-z0-9_.:-]{8,64}$/D';
    const DUPLICATE = 1062;

    private $db;

    public function __construct(WooSyncDb $db)
    {
        $this->db = $db;
    }

    /** Reserve a key within the transaction of its write; false if it was used before. */
    public function take($key)
    {
        try {
            $sql = 'INSERT INTO ' . self::TABLE . " (idem, record, at) VALUES (?, '', ?)";
            $this->db->change($sql, array($key, time()));
            return true;
        } catch (RuntimeException $failure) {
            if ($failure->getCode() !== self::DUPLICATE) {
                throw $failure;
            }
            return false;
        }
    }

    /** Within the same transaction: what the key wrote. */
    public function settle($key, $record)
    {
        $this->db->change('UPDATE ' . self::TABLE . ' SET record = ? WHERE idem = ?', array($record, $key));
    }

    /** The record of a committed write, null if there was none; waits for a write that is under way. */
    public function find($key)
    {
        $sql = 'SELECT record AS found FROM ' . self::TABLE . ' WHERE idem = ? LOCK IN SHARE MODE';
        return $this->db->value($sql, array($key));
    }

    public function prune($before)
    {
        return $this->db->change('DELETE FROM ' . self::TABLE . ' WHERE at < ?', array($before));
    }

    public function create()
    {
        $this->db->change(
            'CREATE TABLE IF NOT EXISTS ' . self::TABLE . ' ('
            . 'idem VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, '
            . 'record VARCHAR(30) NOT NULL, '
            . 'at INT NOT NULL, '
            . 'KEY woosync_key_age (at)'
            . ') ENGINE=InnoDB DEFAULT CHARSET=utf8'
        );
    }

    public function drop()
    {
        $this->db->change('DROP TABLE IF EXISTS ' . self::TABLE);
    }
}
