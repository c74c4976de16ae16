<?php
// The add-on's settings and what it remembers, as names and texts in a table of its own.

require_once __DIR__ . '/WooSyncDb.php';

class WooSyncConfig
{
    const TABLE = 'vtiger_woosync_config';
    const COUNTERS = array('down_until', 'failures', 'sweep_turn', 'swept_at', 'cron_at');

    private $db;
    private $known;

    public function __construct(WooSyncDb $db)
    {
        $this->db = $db;
    }

    public function get($name, $default = '')
    {
        if ($this->known === null) {
            $this->known = array();
            foreach ($this->db->rows('SELECT name, value FROM ' . self::TABLE) as $row) {
                $this->known[$row['name']] = (string) $row['value'];
            }
        }
        return isset($this->known[$name]) ? $this->known[$name] : $default;
    }

    /** Read anew: other requests may have written since. */
    public function refresh()
    {
        $this->known = null;
    }

    public function set($values)
    {
        foreach ($values as $name => $value) {
            $sql = 'REPLACE INTO ' . self::TABLE . ' (name, value) VALUES (?, ?)';
            $this->db->change($sql, array((string) $name, (string) $value));
        }
        $this->known = null;
    }

    /** Move a number on, if it is still between two bounds: true for one caller only. */
    public function take($name, $value, $atLeast, $atMost)
    {
        $sql = 'UPDATE ' . self::TABLE . ' SET value = ?'
            . ' WHERE name = ? AND value + 0 >= ? AND value + 0 <= ?';
        $this->known = null;
        $params = array((string) $value, $name, (int) $atLeast, (int) $atMost);
        return $this->db->change($sql, $params) === 1;
    }

    public function modules()
    {
        return WooSyncRules::modules(json_decode($this->get('modules', '[]'), true));
    }

    public function isConfigured()
    {
        return $this->get('url') !== '' && $this->get('secret') !== '';
    }

    public function isEnabled()
    {
        return $this->get('enabled') === '1';
    }

    /** Why the service is not asked or told; '' where it is. */
    public function silence()
    {
        if (!$this->isEnabled()) {
            return 'WooSync is switched off in Module Manager.';
        }
        return $this->isConfigured() ? ''
            : 'Enter the address and the secret of the service first: CRM Settings, Integration, WooSync.';
    }

    /** Remember a failure for the settings page; PHP's own log is out of an admin's sight. */
    public function noteError($message)
    {
        $this->set(array('last_error' => substr($message, 0, 500), 'last_error_at' => time()));
    }

    public function create()
    {
        $this->db->change(
            'CREATE TABLE IF NOT EXISTS ' . self::TABLE . ' ('
            . 'name VARCHAR(50) NOT NULL PRIMARY KEY, value TEXT'
            . ') ENGINE=InnoDB DEFAULT CHARSET=utf8'
        );
        $this->known = null;
        foreach (self::COUNTERS as $name) {
            if ($this->get($name) === '') {
                $this->set(array($name => 0));
            }
        }
    }

    public function drop()
    {
        $this->db->change('DROP TABLE IF EXISTS ' . self::TABLE);
    }
}
