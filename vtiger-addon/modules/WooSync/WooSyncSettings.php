<?php
// What the settings page shows and takes. The secret goes in and never out.

require_once __DIR__ . '/WooSyncState.php';

class WooSyncSettings
{
    const CRON_LATE_SECONDS = 1800;

    private $state;

    public function __construct(WooSyncState $state)
    {
        $this->state = $state;
    }

    public static function open()
    {
        return new self(WooSyncState::shared());
    }

    /** Values of the template, by name. */
    public function show()
    {
        $config = $this->state->config;
        $chosen = $config->modules();
        $modules = array();
        foreach (WooSyncRules::MODULES as $module) {
            $modules[$module] = in_array($module, $chosen, true);
        }
        return array(
            'WOOSYNC_URL' => $config->get('url'),
            'WOOSYNC_HAS_SECRET' => $config->get('secret') !== '',
            'WOOSYNC_MODULES' => $modules,
            'WOOSYNC_PROBLEMS' => $this->problems(),
            'WOOSYNC_FACTS' => $this->facts(),
        );
    }

    /** Sentences on what keeps it from working. */
    private function problems()
    {
        $config = $this->state->config;
        $problems = array();
        if ($config->get('objection') !== '') {
            $problems[] = $config->get('objection');
        }
        if ($config->get('enabled') !== '1') {
            $problems[] = 'WooSync is switched off in Module Manager: nothing is told.';
        }
        if (!$config->isConfigured()) {
            $problems[] = 'Nothing is sent until the address and the secret are set.';
        }
        $since = max((int) $config->get('cron_at'), (int) $config->get('installed_at'));
        if (time() - $since > self::CRON_LATE_SECONDS) {
            $problems[] = 'The cron task did not run in the last half hour: set up cron/vtigercron.sh on the server.';
        }
        return $problems;
    }

    private function facts()
    {
        $config = $this->state->config;
        $error = $config->get('last_error');
        return array(
            'Version' => WooSyncRules::VERSION,
            'Waiting to be sent' => $this->state->outbox->depth(),
            'Last success' => self::moment($config->get('last_success')),
            'Last error' => $error === '' ? 'none' : self::moment($config->get('last_error_at')) . ': ' . $error,
            'Last cron run' => self::moment($config->get('cron_at')),
            'Paused after failures until' => WooSyncBreaker::isOpen($config->get('down_until'), time())
                ? self::moment($config->get('down_until')) : 'not paused',
        );
    }

    private static function moment($seconds)
    {
        return (int) $seconds ? date('Y-m-d H:i:s T', (int) $seconds) : 'never';
    }

    /** An empty secret keeps the one there is, null the modules. Throws InvalidArgumentException. */
    public function save($url, $secret, $modules)
    {
        $config = $this->state->config;
        $values = array('url' => WooSyncAddress::complete($url));
        if (trim((string) $secret) !== '') {
            $values['secret'] = trim((string) $secret);
        }
        $wasConfigured = $config->isConfigured();
        $chosen = $modules === null ? $config->modules() : WooSyncRules::modules($modules);
        if ($chosen !== $config->modules()) {
            $values += WooSyncState::newInstallation(time());
            $values['modules'] = json_encode($chosen);
        }
        $config->set($values + WooSyncBreaker::closed());
        $wasConfigured ? $this->state->outbox->hurry() : $this->state->outbox->settle(time());
        return 'Saved.';
    }

    public function test()
    {
        return $this->state->sender()->test();
    }
}
