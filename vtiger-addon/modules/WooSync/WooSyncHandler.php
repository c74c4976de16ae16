<?php
// Hears of saves, deletions and restores. Nothing may leave it but silence: what escapes a handler
// makes the web service answer with an error although the record is saved, and clients try again.

class WooSyncHandler extends VTEventHandler
{
    public function handleEvent($eventName, $data)
    {
        try {
            require_once __DIR__ . '/WooSyncState.php';
            $this->record($eventName, $data);
        } catch (Throwable $failure) {
            self::keep($failure);
        }
    }

    private function record($eventName, $data)
    {
        $module = $data->getModuleName();
        if (!in_array($module, WooSyncRules::MODULES, true)) {
            return;
        }
        $event = WooSyncRules::event($eventName, WooSyncRules::isNew($data));
        $state = WooSyncState::shared();
        if ($event === null || !in_array($module, $state->config->modules(), true)) {
            return;
        }
        $session = isset($_SESSION) ? $_SESSION : array();
        $current = isset($GLOBALS['current_user']) ? $GLOBALS['current_user'] : null;
        $user = WooSyncRules::actingUser($session, $current);
        $state->outbox->record($data->getId(), $module, $event, $user);
        $state->sender()->planAfterResponse();
    }

    /** For the settings page, if the database lets us. */
    private static function keep($failure)
    {
        try {
            error_log('WooSync: ' . $failure->getMessage());
            WooSyncState::shared()->config->noteError('A change was not written down: ' . $failure->getMessage());
        } catch (Throwable $nothing) {
            error_log('WooSync: ' . $nothing->getMessage());
        }
    }
}
