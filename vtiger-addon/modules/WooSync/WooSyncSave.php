<?php
// The web service's operation woosync_save: writes that are done once each, whatever happens to the answer.

require_once __DIR__ . '/WooSyncState.php';
require_once __DIR__ . '/WooSyncItems.php';
require_once __DIR__ . '/WooSyncTransaction.php';
require_once __DIR__ . '/WooSyncRecordWriter.php';
require_once __DIR__ . '/WooSyncReader.php';

// Vtiger calls with named arguments: they are called as the operation's parameters are.
function woosync_save($records, $seconds, $user)
{
    if (!is_admin($user)) {
        throw new WebServiceException(WebServiceErrorCode::$ACCESSDENIED, 'Only an administrator may call woosync_save');
    }
    $items = WooSyncItems::of($records);
    session_write_close(); // other calls of this session need not wait
    $adb = PearDatabase::getInstance();
    $transaction = new WooSyncTransaction($adb);
    try {
        $save = new WooSyncSave($adb, $user, $transaction);
        register_shutdown_function(array($save, 'answerAtTheEnd')); // after the transaction's own
        return $save->all($items, $seconds);
    } finally {
        $transaction->end();
    }
}

class WooSyncSave
{
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
    private $items = array(); // those that have no answer yet
    private $answers = array();

    public function __construct($adb, $user, WooSyncTransaction $transaction)
    {
        $this->adb = $adb;
        $this->keys = WooSyncState::shared()->keys;
        $this->transaction = $transaction;
        $this->writer = new WooSyncRecordWriter($adb, $user);
        $this->reader = new WooSyncReader($adb, $user);
    }

    /** The result: an answer for each item, in their order. */
    public function all($items, $seconds)
    {
        $asked = is_numeric($seconds) ? (float) $seconds : self::SECONDS;
        $until = microtime(true) + min(self::MOST_SECONDS, $asked);
        try {
            for ($this->items = $items; $this->items; array_shift($this->items)) {
                $isOver = $this->answers && (microtime(true) >= $until || self::isMemoryUsed());
                $this->answers[] = $isOver ? self::answer($this->items[0], 'not_reached') : $this->one($this->items[0], $until);
            }
        } finally {
            $this->items = array();
        }
        return $this->result();
    }

    private function result()
    {
        return array('version' => WooSyncRules::VERSION, 'records' => $this->answers);
    }

    /**
     * Vtiger may end the process within a save, by die() or a fatal error. The record that it was about
     * is told as failed and those after it as not reached, for with it they would all fail again.
     */
    public function answerAtTheEnd()
    {
        if (!$this->items) {
            return;
        }
        $fatal = array('code' => 'INTERNAL_SERVER_ERROR', 'message' => 'Vtiger ended the process while it saved this record');
        try {
            $item = array_shift($this->items);
            $this->answers[] = $this->known($item) ?: self::answer($item, 'failed', $fatal);
        } catch (Throwable $failure) {
            error_log('WooSync: ' . $failure->getMessage());
            return; // no answer: the keys tell it later
        }
        foreach ($this->items as $item) {
            $this->answers[] = self::answer($item, 'not_reached');
        }
        while (ob_get_level() && ob_end_clean());
        http_response_code(200);
        header('Content-type: application/json');
        echo json_encode(array('success' => true, 'result' => $this->result()));
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
        $fault = WooSyncItems::fault($item);
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
                $hasBegun = true;
                $id = $this->writer->write($item);
                $this->keys->settle($item['key'], $id);
                $record = $this->record($id, $item['module']);
                self::checkWritten($item, $record);
                return self::answer($item, 'saved', array('id' => $id, 'record' => $record));
            }, $item['action'] === 'create' ? $item['module'] : null, $this->countCreates($item));
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

    /** How many items that have no answer yet make records of this one's module. */
    private function countCreates($item)
    {
        $like = array('action' => 'create', 'module' => isset($item['module']) ? $item['module'] : '');
        return count(array_filter($this->items, function ($other) use ($like) {
            return is_array($other) && array_intersect_key($other, $like) == $like;
        }));
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
