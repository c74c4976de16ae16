<?php
// The parts of one request's work, put together once.

require_once __DIR__ . '/WooSyncRules.php';
require_once __DIR__ . '/WooSyncSignature.php';
require_once __DIR__ . '/WooSyncBreaker.php';
require_once __DIR__ . '/WooSyncBatch.php';
require_once __DIR__ . '/WooSyncSweep.php';
require_once __DIR__ . '/WooSyncAddress.php';
require_once __DIR__ . '/WooSyncAnswer.php';
require_once __DIR__ . '/WooSyncClient.php';
require_once __DIR__ . '/WooSyncDb.php';
require_once __DIR__ . '/WooSyncConfig.php';
require_once __DIR__ . '/WooSyncOutbox.php';
require_once __DIR__ . '/WooSyncKeys.php';
require_once __DIR__ . '/WooSyncSender.php';

class WooSyncState
{
    public $config;
    public $outbox;
    public $keys;
    private static $shared;

    public function __construct(WooSyncDb $db)
    {
        $this->config = new WooSyncConfig($db);
        $this->outbox = new WooSyncOutbox($db);
        $this->keys = new WooSyncKeys($db);
    }

    public static function shared()
    {
        if (self::$shared === null) {
            self::$shared = new self(WooSyncDb::open());
        }
        return self::$shared;
    }

    public function sender()
    {
        return new WooSyncSender($this->config, $this->outbox);
    }

    /** Have the service look at a record, whether it changed or not; what went wrong, '' if nothing did. */
    public function syncNow($number, $module, $user)
    {
        if ($this->config->silence() !== '') {
            return $this->config->silence();
        }
        if (session_status() === PHP_SESSION_ACTIVE) {
            session_write_close(); // the user's other requests must not wait for the service
        }
        $this->outbox->record($number, $module, 'updated', $user);
        return $this->sender()->atOnce();
    }

    /** Write down what no event told of; how many rows that gave. Others at it are left to it. */
    public function sweep()
    {
        $now = time();
        if (!$this->config->take('sweep_turn', $now + WooSyncSweep::TURN_SECONDS, 0, $now)) {
            return 0;
        }
        try {
            $since = WooSyncSweep::since($this->config->get('swept_to'), $now);
            $found = $this->outbox->sweep($since, $this->config->modules());
            $this->config->set(array('swept_to' => date('Y-m-d H:i:s', $now), 'swept_at' => $now));
            return $found;
        } finally {
            $this->config->set(array('sweep_turn' => 0));
        }
    }

    /** Rows that nobody asks for any more; how many changes went. */
    public function prune($now)
    {
        $this->keys->prune($now - WooSyncRules::KEEP_SECONDS);
        return $this->outbox->prune($now - WooSyncRules::KEEP_SECONDS);
    }

    /** Vtiger's own version, '' if it cannot be found out. */
    public static function vtigerVersion()
    {
        if (empty($GLOBALS['vtiger_current_version']) && is_file('vtigerversion.php')) {
            include 'vtigerversion.php';
            return isset($vtiger_current_version) ? $vtiger_current_version : '';
        }
        return isset($GLOBALS['vtiger_current_version']) ? $GLOBALS['vtiger_current_version'] : '';
    }

    /** What was told so far says nothing of what comes: whoever reads changes starts anew. */
    public static function newInstallation($now)
    {
        return array(
            'installation' => bin2hex(random_bytes(8)),
            'swept_to' => date('Y-m-d H:i:s', $now),
            'swept_at' => $now,
        );
    }
}
