<?php
// One write as a whole or not at all, and only one at a time: Vtiger itself saves in autocommit.

require_once __DIR__ . '/WooSyncDb.php';
require_once __DIR__ . '/WooSyncNumbers.php';

/** The database gave the write up, a lock was not free in time: it may be tried again. */
class WooSyncGivenUp extends RuntimeException
{
}

/** The connection is lost, so nobody knows what was committed: the whole call ends without an answer. */
class WooSyncConnectionLost extends Error
{
}

class WooSyncTransaction
{
    const LOCK = "CONCAT('woosync.', MD5(DATABASE()))";
    const LOCK_SECONDS = 10;
    const ROW_LOCK_SECONDS = 5;
    const GIVEN_UP = array(1205, 1213); // lock wait timeout, deadlock
    const LOST = array(2006, 2013);
    const NEW_COUNTER = '/^\s*create\s+table\s+(\w+_seq)\b/i'; // ADOdb makes them when they are missing

    private $db;
    private $connection;
    private $isOpen = false;
    private $isLocked = false;
    private $broken = 0;
    private $hasMode = false;
    private $counter = '';
    private $numbers;
    private $othersHook;
    private $othersWait;

    /** `$adb` is Vtiger's database object. */
    public function __construct($adb)
    {
        $this->db = new WooSyncDb($adb);
        $this->numbers = new WooSyncNumbers($this->db);
        $this->connection = $adb->database;
        $this->othersHook = $this->connection->fnExecute;
        $this->othersWait = (int) $this->db->value('SELECT @@innodb_lock_wait_timeout AS found');
        register_shutdown_function(array($this, 'abandon'));
        // startTransaction() of a save would commit ours if autocommit were off.
        $this->execute('SET AUTOCOMMIT=1');
        $this->execute('SET SESSION innodb_lock_wait_timeout = ' . self::ROW_LOCK_SECONDS);
        $this->connection->fnExecute = array($this, 'beforeStatement');
    }

    /**
     * What `$work` returns, committed; nothing of it stays if it throws. If it makes a record of
     * `$module`, that has one of `$count` numbers. Throws WooSyncGivenUp where a lock was not free in time.
     */
    public function run($work, $module = null, $count = 0)
    {
        $sql = 'SELECT GET_LOCK(' . self::LOCK . ', ' . self::LOCK_SECONDS . ') AS found';
        if (!(int) $this->db->value($sql)) {
            throw new WooSyncGivenUp('Another write did not end in time');
        }
        $this->isLocked = true;
        $isDone = false;
        try {
            if ($module !== null && $this->numbers->lacks($module)) {
                $this->whole(function () use ($module, $count) {
                    $this->numbers->take($module, $count);
                });
            }
            $result = $this->whole($work);
            $isDone = true;
            return $result;
        } finally {
            $this->numbers->settle($isDone);
            $this->rollBack();
            $this->unlock();
        }
    }

    private function whole($work)
    {
        try {
            $this->broken = 0;
            $this->isOpen = true;
            $this->execute('START TRANSACTION');
            $result = $work();
            $this->refuseBroken();
            $this->execute('COMMIT');
            $this->isOpen = false;
            return $result;
        } catch (Exception $failure) {
            $this->refuseBroken(); // Vtiger may tell the database's failure as one of its own
            throw in_array($failure->getCode(), self::GIVEN_UP, true)
                ? new WooSyncGivenUp($failure->getMessage(), $failure->getCode(), $failure) : $failure;
        }
    }

    /**
     * ADOdb's hook before each statement. Vtiger goes on after a statement that failed; after a
     * deadlock, which ends the transaction, it would save the other half. And half of all its
     * statements set the SQL mode that is set already. A table of ids that is made at its first use would
     * end the transaction, too, so it is made before the next try.
     */
    public function beforeStatement($connection, &$sql, $values)
    {
        $this->refuseBroken();
        if ($this->isOpen && preg_match(self::NEW_COUNTER, $sql, $found)) {
            $this->counter = $found[1];
            $this->broken = self::GIVEN_UP[0];
            $this->refuseBroken();
        }
        if ($sql === 'SET AUTOCOMMIT=1') {
            return true;
        }
        if ($sql === "SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'") {
            $isSet = $this->hasMode;
            $this->hasMode = true;
            return $isSet ? true : null;
        }
        $instead = $this->isOpen ? $this->numbers->instead($sql, $values) : null;
        if ($instead !== null) {
            return $instead === true ? true : $this->execute('SELECT ? AS cur_id, ? AS prefix', $instead);
        }
        $others = $this->othersHook;
        return $others ? $others($connection, $sql, $values) : null;
    }

    private function refuseBroken()
    {
        if (!$this->isOpen) {
            return;
        }
        $code = $this->broken ?: (int) $this->connection->ErrorNo();
        if (in_array($code, self::LOST, true)) {
            throw new WooSyncConnectionLost("The database is gone ($code)");
        }
        if (in_array($code, self::GIVEN_UP, true)) {
            $this->broken = $code; // whoever catches this exception cannot go on either
            throw new WooSyncGivenUp("The database gave up ($code)", $code);
        }
    }

    private function rollBack()
    {
        if ($this->isOpen) {
            $this->isOpen = false;
            $this->execute('ROLLBACK');
        }
        if ($this->counter !== '') {
            $this->execute("CREATE TABLE IF NOT EXISTS {$this->counter} (id INT NOT NULL)");
            $this->execute(
                "INSERT INTO {$this->counter} (id) SELECT 0 FROM (SELECT 1) AS one"
                . " WHERE NOT EXISTS (SELECT * FROM {$this->counter})"
            );
            $this->counter = '';
        }
    }

    private function unlock()
    {
        if ($this->isLocked) {
            $this->isLocked = false;
            $this->execute('DO RELEASE_LOCK(' . self::LOCK . ')');
        }
    }

    /** Everything is as it was before, for the connection is used again by other requests. */
    public function end()
    {
        $this->rollBack();
        $this->unlock();
        $this->connection->fnExecute = $this->othersHook;
        if ($this->othersWait) {
            $this->numbers->giveBack();
            $this->execute('SET SESSION innodb_lock_wait_timeout = ' . $this->othersWait);
            $this->othersWait = 0;
        }
    }

    /** At the end of the process, also after a fatal error or an exit within a save. */
    public function abandon()
    {
        try {
            $this->end();
        } catch (Throwable $failure) {
            error_log('WooSync: ' . $failure->getMessage());
        }
    }

    /** Past the hook, which refuses statements once the transaction is broken. */
    private function execute($sql, $values = false)
    {
        $hook = $this->connection->fnExecute;
        $this->connection->fnExecute = false;
        try {
            $done = $this->connection->Execute($sql, $values);
        } finally {
            $this->connection->fnExecute = $hook;
        }
        $code = $done ? 0 : (int) $this->connection->ErrorNo();
        if ($sql === 'COMMIT' && !$done || in_array($code, self::LOST, true)) {
            throw new WooSyncConnectionLost("The database did not do $sql ($code)");
        }
        return $done;
    }
}
