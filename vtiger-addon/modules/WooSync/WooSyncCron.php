<?php
// One run of the cron task.

require_once __DIR__ . '/WooSyncState.php';

class WooSyncCron
{
    public static function run()
    {
        $state = WooSyncState::shared();
        $state->config->set(array('cron_at' => time()));
        try {
            $found = $state->sweep();
            $sent = $state->sender()->fromCron();
            $pruned = $state->prune(time());
        } catch (Throwable $failure) {
            $state->config->noteError('The cron task failed: ' . $failure->getMessage());
            throw $failure;
        }
        return "WooSync: $found found, $sent sent, $pruned pruned";
    }
}
