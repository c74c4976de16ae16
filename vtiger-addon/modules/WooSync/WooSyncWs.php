<?php
// The web service's operation woosync_changes: what changed since a sequence, deletions too.

require_once __DIR__ . '/WooSyncState.php';

// Vtiger calls with named arguments: they are called as the operation's parameters are.
function woosync_changes($since, $limit, $user)
{
    if (!is_admin($user)) {
        throw new WebServiceException(
            WebServiceErrorCode::$ACCESSDENIED,
            'Only an administrator may read woosync_changes'
        );
    }
    try {
        return WooSyncChanges::read(WooSyncState::shared(), (int) $since, WooSyncRules::limit($limit));
    } catch (WebServiceException $refusal) {
        throw $refusal;
    } catch (Throwable $failure) {
        error_log('WooSync: ' . $failure->getMessage());
        throw new WebServiceException(WebServiceErrorCode::$DATABASEQUERYERROR, 'The outbox cannot be read');
    }
}

class WooSyncChanges
{
    const SETTLED_SECONDS = 2;

    public static function read(WooSyncState $state, $since, $limit)
    {
        $now = time();
        $config = $state->config;
        $sweptTo = $config->get('swept_to'); // what this call's own sweep finds is too young to show
        if (WooSyncSweep::isStale($config->get('swept_at'), $now)) {
            $state->sweep();
            $state->prune($now); // where cron is dead
        }
        $rows = $state->outbox->changes($since, $limit + 1, $now - self::SETTLED_SECONDS - 1);
        $page = array_slice($rows, 0, $limit);
        $state->sender()->planAfterResponse(true); // who asks is up, so what waits can go
        return array(
            'changes' => self::changes($page, $state->outbox->prefixes()),
            'last' => $page ? (int) $page[count($page) - 1]['seq'] : $since,
            'more' => count($rows) > $limit,
            'oldest' => $state->outbox->bound('MIN'),
            'newest' => $state->outbox->bound('MAX'),
            'installation' => $config->get('installation'),
            'version' => WooSyncRules::VERSION,
            'abilities' => WooSyncRules::ABILITIES,
            'vtiger' => WooSyncState::vtigerVersion(),
            'modules' => $config->modules(),
            'now' => $now,
            'swept_to' => $sweptTo,
            'installed_at' => (int) $config->get('installed_at'),
            'cron_at' => (int) $config->get('cron_at'),
            'url' => $config->get('url'),
            'has_secret' => $config->get('secret') !== '',
            'waiting' => $state->outbox->depth(),
            'last_error' => $config->get('last_error'),
            'last_error_at' => (int) $config->get('last_error_at'),
            'last_success_at' => (int) $config->get('last_success'),
        );
    }

    private static function changes($rows, $prefixes)
    {
        $changes = array();
        foreach ($rows as $row) {
            $changes[] = array(
                'seq' => (int) $row['seq'],
                'id' => WooSyncBatch::id($prefixes, $row['module'], $row['crmid']),
                'module' => $row['module'],
                'event' => $row['event'],
                'modifiedtime' => $row['modifiedtime'],
                'user_id' => WooSyncBatch::id($prefixes, 'Users', $row['user_id']),
                'created_at' => (int) $row['created_at'],
            );
        }
        return $changes;
    }
}
