<?php
// One row for each change, in the order of its sequence: told by events, or found by the sweep.

require_once __DIR__ . '/WooSyncDb.php';

class WooSyncOutbox
{
    const TABLE = 'vtiger_woosync_outbox';
    const CLAIM_SECONDS = 60;
    const SWEEP_ROWS = 1000;
    const SWEEP_INSERTS = 200;
    const SWEEP_ROUNDS = 100;
    const COLUMNS = 'seq, crmid, module, event, modifiedtime, user_id, created_at, attempts';

    private $db;

    public function __construct(WooSyncDb $db)
    {
        $this->db = $db;
    }

    /** Reads and writes apart: INSERT ... SELECT would wait for whoever else edits the record. */
    public function record($crmid, $module, $event, $userId)
    {
        $sql = 'SELECT modifiedtime AS found FROM vtiger_crmentity WHERE crmid = ?';
        $modified = $this->db->value($sql, array((int) $crmid));
        $this->insert(array(array(
            'crmid' => $crmid, 'module' => $module, 'event' => $event,
            'modifiedtime' => $modified, 'user_id' => $userId,
        )));
    }

    private function insert($rows)
    {
        $values = array();
        foreach ($rows as $row) {
            array_push(
                $values, (int) $row['crmid'], $row['module'], $row['event'], $row['modifiedtime'],
                (int) $row['user_id'], time()
            );
        }
        $this->db->change(
            'INSERT INTO ' . self::TABLE . ' (crmid, module, event, modifiedtime, user_id, created_at) VALUES '
            . implode(', ', array_fill(0, count($rows), '(?, ?, ?, ?, ?, ?)')),
            $values
        );
    }

    /** Rows that wait, reserved for this caller; a reservation lapses after a minute. */
    public function claim($limit, $now)
    {
        $lapsed = $now - self::CLAIM_SECONDS;
        $free = $this->db->rows(
            'SELECT seq FROM ' . self::TABLE . ' WHERE sent_at IS NULL AND next_try <= ?'
            . ' AND claimed_at < ? ORDER BY seq LIMIT ' . (int) $limit,
            array($now, $lapsed)
        );
        if (!$free) {
            return array();
        }
        $claim = bin2hex(random_bytes(16));
        $seqs = self::sequences($free);
        $this->db->change(
            'UPDATE ' . self::TABLE . ' SET claim = ?, claimed_at = ? WHERE seq IN ('
            . WooSyncDb::marks($seqs) . ') AND sent_at IS NULL AND claimed_at < ?',
            array_merge(array($claim, $now), $seqs, array($lapsed))
        );
        $sql = 'SELECT ' . self::COLUMNS . ' FROM ' . self::TABLE . ' WHERE claim = ? ORDER BY seq';
        return $this->db->rows($sql, array($claim));
    }

    public function markSent($rows, $now)
    {
        $this->mark($rows, 'sent_at = ?, claim = ?', array($now, ''));
    }

    /** Refused: to be tried again later. */
    public function postpone($rows, $nextTry)
    {
        $this->mark($rows, 'attempts = attempts + 1, next_try = ?, claim = ?, claimed_at = 0', array($nextTry, ''));
    }

    /** Not delivered, through no fault of the rows. */
    public function release($rows)
    {
        $this->mark($rows, 'claim = ?, claimed_at = 0', array(''));
    }

    private function mark($rows, $assignments, $values)
    {
        $seqs = self::sequences($rows);
        if ($seqs) {
            $sql = 'UPDATE ' . self::TABLE . " SET $assignments WHERE seq IN (" . WooSyncDb::marks($seqs) . ')';
            $this->db->change($sql, array_merge($values, $seqs));
        }
    }

    /** What waits can go at once: a setting was mended, or the service is back. */
    public function hurry()
    {
        $this->db->change('UPDATE ' . self::TABLE . ' SET next_try = 0 WHERE sent_at IS NULL AND next_try > 0');
    }

    /** Nobody is told any more of what happened until now. */
    public function settle($now)
    {
        $this->db->change('UPDATE ' . self::TABLE . ' SET sent_at = ? WHERE sent_at IS NULL', array($now));
    }

    /**
     * Rows after a sequence, none of which is younger than the moment: numbers are given out before
     * rows can be seen, so the young ones may have gaps that fill.
     */
    public function changes($since, $limit, $moment)
    {
        $young = $this->db->value(
            'SELECT MIN(seq) AS found FROM ' . self::TABLE . ' WHERE created_at > ?',
            array($moment)
        );
        $until = $young === null ? '' : ' AND seq < ' . (int) $young;
        return $this->db->rows(
            'SELECT ' . self::COLUMNS . ' FROM ' . self::TABLE . " WHERE seq > ?$until ORDER BY seq LIMIT "
            . (int) $limit,
            array((int) $since)
        );
    }

    /** Changes since a moment that no row tells of: imports, scheduled workflows, related records. */
    public function sweep($since, $modules)
    {
        $total = 0;
        for ($round = 0; $modules && $round < self::SWEEP_ROUNDS; $round++) {
            $found = $this->untold($since, $modules);
            foreach (array_chunk($found, self::SWEEP_INSERTS) as $rows) {
                $this->insert($rows);
            }
            $total += count($found);
            if (count($found) < self::SWEEP_ROWS) {
                break;
            }
        }
        return $total;
    }

    /** Read without locks, for it goes through all records: none has an index on its time. */
    private function untold($since, $modules)
    {
        return $this->db->rows(
            "SELECT c.crmid, c.setype AS module, CASE WHEN c.deleted = 1 THEN 'deleted'"
            . " WHEN c.createdtime = c.modifiedtime THEN 'created' ELSE 'updated' END AS event,"
            . ' c.modifiedtime, c.modifiedby AS user_id FROM vtiger_crmentity c LEFT JOIN ' . self::TABLE . ' o'
            . ' ON o.crmid = c.crmid AND o.modifiedtime >= c.modifiedtime'
            . ' WHERE c.setype IN (' . WooSyncDb::marks($modules) . ') AND c.modifiedtime >= ?'
            . ' AND o.seq IS NULL ORDER BY c.modifiedtime, c.crmid LIMIT ' . self::SWEEP_ROWS,
            array_merge($modules, array($since))
        );
    }

    /** The newest row stays: an older database would start its numbers anew without it. */
    public function prune($before)
    {
        $newest = (int) $this->bound('MAX');
        $sql = 'DELETE FROM ' . self::TABLE . ' WHERE created_at < ? AND seq < ?';
        return $this->db->change($sql, array($before, $newest));
    }

    /** The lowest or highest sequence; 0 without any. */
    public function bound($which)
    {
        return (int) $this->db->value("SELECT $which(seq) AS found FROM " . self::TABLE);
    }

    public function depth()
    {
        return (int) $this->db->value('SELECT COUNT(*) AS found FROM ' . self::TABLE . ' WHERE sent_at IS NULL');
    }

    /** The web service's numbers of modules. */
    public function prefixes()
    {
        $prefixes = array();
        foreach ($this->db->rows('SELECT id, name FROM vtiger_ws_entity') as $row) {
            $prefixes[$row['name']] = (int) $row['id'];
        }
        return $prefixes;
    }

    private static function sequences($rows)
    {
        $seqs = array();
        foreach ($rows as $row) {
            $seqs[] = (int) $row['seq'];
        }
        return $seqs;
    }

    public function create()
    {
        $this->db->change(
            'CREATE TABLE IF NOT EXISTS ' . self::TABLE . ' ('
            . 'seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, '
            . 'crmid INT NOT NULL, '
            . 'module VARCHAR(100) NOT NULL, '
            . 'event VARCHAR(20) NOT NULL, '
            . 'modifiedtime DATETIME NULL, '
            . 'user_id INT NOT NULL DEFAULT 0, '
            . 'created_at INT NOT NULL, '
            . 'sent_at INT NULL, '
            . 'attempts INT NOT NULL DEFAULT 0, '
            . 'next_try INT NOT NULL DEFAULT 0, '
            . "claim VARCHAR(32) NOT NULL DEFAULT '', "
            . 'claimed_at INT NOT NULL DEFAULT 0, '
            . 'KEY woosync_record (crmid, modifiedtime), '
            . 'KEY woosync_waiting (sent_at, next_try), '
            . 'KEY woosync_claim (claim), '
            . 'KEY woosync_age (created_at)'
            . ') ENGINE=InnoDB DEFAULT CHARSET=utf8'
        );
    }

    public function drop()
    {
        $this->db->change('DROP TABLE IF EXISTS ' . self::TABLE);
    }
}
