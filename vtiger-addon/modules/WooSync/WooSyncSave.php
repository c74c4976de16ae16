<?php
// The web service's operation woosync_save: writes that are done once each, whatever happens to the answer.

require_once __DIR__ . '/WooSyncState.php';
require_once __DIR__ . '/WooSyncTransaction.php';
require_once __DIR__ . '/WooSyncRecordWriter.php';
require_once __DIR__ . '/WooSyncReader.php';

// Vtiger calls with named arguments: they are called as the operation's parameters are.
function woosync_save($records, $seconds, $user)
{
    if (!is_admin($user)) {
        throw new WebServiceException(WebServiceErrorCode::$ACCESSDENIED, 'Only an administrator may call woosync_save');
    }
    $items = WooSyncSave::items($records);
    session_write_close(); // other calls of this session need not wait
    $adb = PearDatabase::getInstance();
    $transaction = new WooSyncTransaction($adb);
    try {
        $save = new WooSyncSave($adb, $user, $transaction);
        return array('version' => WooSyncRules::VERSION, 'records' => $save->all($items, $seconds));
    } finally {
        $transaction->end();
    }
}

class WooSyncSave
{
    const MOST = 100;
    const SECONDS = 10;
    const MOST_SECONDS = 25;
    const TRIES = 3;
    const MEMORY_PART = 0.7; // of PHP's limit
    const UNSURE = array('DATABASE_QUERY_ERROR', 'INTERNAL_SERVER_ERROR'); // codes that a second try may not get

    private $adb;
    private $keys;
    private $transaction;
    private $writer;
    private $reader;

    public function __construct($adb, $user, WooSyncTransaction $transaction)
    {
        $this->adb = $adb;
        $this->keys = WooSyncState::shared()->keys;
        $this->transaction = $transaction;
        $this->writer = new WooSyncRecordWriter($adb, $user);
        $this->reader = new WooSyncReader($adb, $user);
    }

    /** The items of a call. Throws WebServiceException for what is no list of items with keys of their own. */
    public static function items($text)
    {
        $items = json_decode((string) $text, true);
        $isList = is_array($items) && ltrim($text)[0] === '[' && count($items) <= self::MOST;
        WooSyncChecks::demand($isList, 'INVALID_RECORDS', 'records must be a JSON list of at most ' . self::MOST . ' items');
        $keys = array_filter(array_column(array_filter($items, 'is_array'), 'key'), 'is_string');
        WooSyncChecks::demand($keys === array_unique($keys), 'INVALID_RECORDS', 'Each item needs a key of its own');
        return $items;
    }

    /** An answer for each item, in their order. */
    public function all($items, $seconds)
    {
        $asked = is_numeric($seconds) ? (float) $seconds : self::SECONDS;
        $until = microtime(true) + min(self::MOST_SECONDS, $asked);
        $answers = array();
        foreach ($items as $item) {
            $isOver = $answers && (microtime(true) >= $until || self::isMemoryUsed());
            $answers[] = $isOver ? self::answer($item, 'not_reached') : $this->one($item, $until);
        }
        return $answers;
    }

    private static function isMemoryUsed()
    {
        $limit = ini_get('memory_limit');
        $units = array('K' => 1024, 'M' => 1048576, 'G' => 1073741824);
        $bytes = (int) $limit * (isset($units[strtoupper(substr($limit, -1))]) ? $units[strtoupper(substr($limit, -1))] : 1);
        return $bytes > 0 && memory_get_usage(true) > $bytes * self::MEMORY_PART;
    }

    private function one($item, $until)
    {
        $fault = self::fault($item);
        if ($fault !== '') {
            return self::answer($item, 'refused', array('code' => 'INVALID_RECORD', 'message' => $fault));
        }
        try {
            if ($item['action'] === 'ask') {
                return $this->known($item) ?: self::answer($item, 'unknown');
            }
            for ($try = 1;; $try++) {
                try {
                    return $this->write($item);
                } catch (WooSyncGivenUp $failure) {
                    if ($try === self::TRIES || microtime(true) >= $until) {
                        throw $failure;
                    }
                }
            }
        } catch (WooSyncConnectionLost $lost) {
            throw $lost;
        } catch (Throwable $failure) {
            return self::failure($item, $failure);
        }
    }

    private function write($item)
    {
        $hasBegun = false;
        $isDone = false;
        try {
            $answer = $this->transaction->run(function () use ($item, &$hasBegun) {
                if (!$this->keys->take($item['key'])) {
                    return $this->known($item);
                }
                if ($item['action'] === 'create') {
                    $this->lockNumbers($item['module']);
                }
                $hasBegun = true;
                $id = $this->writer->write($item);
                $this->keys->settle($item['key'], $id);
                $record = $this->record($id, $item['module']);
                self::checkWritten($item, $record);
                return self::answer($item, 'saved', array('id' => $id, 'record' => $record));
            });
            $isDone = true;
            return $answer;
        } finally {
            if ($hasBegun && !$isDone) {
                // The counter was put back, too: no later record of this process may get an id that
                // Vtiger's caches know as that of the record that failed.
                $this->adb->getUniqueID('vtiger_crmentity');
            }
        }
    }

    /** Other users' saves wait for the number that ours takes, else both could take the same. */
    private function lockNumbers($module)
    {
        $sql = 'SELECT cur_id FROM vtiger_modentity_num WHERE semodule = ? AND active = 1 FOR UPDATE';
        (new WooSyncDb($this->adb))->rows($sql, array($module));
    }

    /** Vtiger goes on where a statement failed. */
    private static function checkWritten($item, $record)
    {
        $isThere = ($record === null) === ($item['action'] === 'delete');
        if ($isThere && isset($item['fields']['LineItems'], $record['LineItems'])) {
            $isThere = count($record['LineItems']) === count($item['fields']['LineItems']);
        }
        WooSyncChecks::demand($isThere, 'DATABASE_QUERY_ERROR', 'The record was not written as a whole');
    }

    /** What an earlier write with this key left; null if there was none. */
    private function known($item)
    {
        $id = $this->keys->find($item['key']);
        if ($id === null) {
            return null;
        }
        return self::answer($item, 'known', array('id' => $id, 'record' => $this->record($id, null)));
    }

    private function record($id, $module)
    {
        if ($module === null) {
            $module = VtigerWebserviceObject::fromId($this->adb, explode('x', $id)[0])->getEntityName();
        }
        $records = $this->reader->records($module, array($id));
        return isset($records[$id]) ? $records[$id] : null;
    }

    /** What is wrong with an item, '' if nothing is. */
    private static function fault($item)
    {
        if (!is_array($item) || !isset($item['key']) || !is_string($item['key']) || !preg_match(WooSyncKeys::PATTERN, $item['key'])) {
            return 'key must be 8 to 64 of A-Z a-z 0-9 _ . : -';
        }
        $action = isset($item['action']) ? $item['action'] : '';
        if ($action === 'ask') {
            return '';
        }
        if (!in_array($action, array('create', 'revise', 'delete'), true)) {
            return 'action must be create, revise, delete or ask';
        }
        if (!isset($item['module']) || !in_array($item['module'], WooSyncRules::MODULES, true)) {
            return 'module must be one of ' . implode(', ', WooSyncRules::MODULES);
        }
        if ($action !== 'create' && (!isset($item['id']) || !preg_match('/^[0-9]+x[0-9]+$/D', (string) $item['id']))) {
            return 'id must be that of a record';
        }
        if ($action !== 'delete' && (empty($item['fields']) || !is_array($item['fields']))) {
            return 'fields must be an object and not empty';
        }
        return '';
    }

    /** As the web service tells it; what may go well another time is `failed`. */
    private static function failure($item, $failure)
    {
        $message = $failure->getMessage();
        if ($failure instanceof WooSyncGivenUp) {
            return self::answer($item, 'failed', array('code' => 'LOCK_TIMEOUT', 'message' => $message));
        }
        if ($failure instanceof InvalidArgumentException) {
            return self::answer($item, 'refused', array('code' => 'INVALID_RECORD', 'message' => $message));
        }
        $code = (string) $failure->getCode();
        if ($failure instanceof WebServiceException || $failure instanceof DuplicateException) {
            $status = in_array($code, self::UNSURE, true) ? 'failed' : 'refused';
            return self::answer($item, $status, compact('code', 'message'));
        }
        error_log('WooSync: ' . $failure);
        return self::answer($item, 'failed', array('code' => 'INTERNAL_SERVER_ERROR', 'message' => $message));
    }

    private static function answer($item, $status, $values = array())
    {
        $key = is_array($item) && isset($item['key']) ? $item['key'] : null;
        $empty = array('id' => null, 'code' => null, 'message' => null, 'record' => null);
        return array_merge(compact('key', 'status'), $empty, $values);
    }
}
