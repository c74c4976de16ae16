<?php
// How a record stands, in the words of the badge on its page.

require_once __DIR__ . '/WooSyncTold.php';

class WooSyncBadge
{
    const KINDS = array('Contacts' => 'customer', 'Products' => 'product', 'SalesOrder' => 'order');
    const GUEST = 'guest:';
    const LONGEST = 300;
    const UNKNOWN = array('Not synced yet', 'default');
    const STATES = array(
        'in_sync' => array('In sync', 'success'),
        'waiting' => array('Waiting', 'info'),
        'failed' => array('Failed', 'danger'),
        'skipped' => array('Not synced', 'warning'),
        'conflict' => array('Conflict', 'warning'),
        'held' => array('Deletion held', 'warning'),
        'deleted' => array('Deleted', 'default'),
    );

    /** A line for each shop that knows the record, `clock` making a text of Unix seconds. */
    public static function lines($stores, $module, $clock)
    {
        $lines = array();
        foreach ($stores as $store) {
            $lines[] = self::line($store, $module, $clock, count($stores) > 1);
        }
        return $lines ?: array(self::plain(self::UNKNOWN, ''));
    }

    /** The line where the service tells nothing. Why is for administrators: it names addresses. */
    public static function away($message, $isAdmin)
    {
        $why = $isAdmin ? $message : 'the service cannot be asked at the moment.';
        return self::plain(array('Sync unknown', 'default'), $why);
    }

    private static function plain($mark, $why)
    {
        return array(
            'mark' => $mark[0], 'kind' => $mark[1], 'store' => '', 'before' => '', 'partner' => '',
            'partner_url' => '', 'when' => '', 'why' => $why, 'url' => '',
        );
    }

    private static function line($store, $module, $clock, $isOneOfMany)
    {
        $state = WooSyncTold::text($store, 'state');
        $last = WooSyncTold::values($store, 'last');
        $unsettled = WooSyncTold::values($store, 'unsettled');
        $partner = WooSyncTold::values($store, 'partner');
        $mark = isset(self::STATES[$state]) ? self::STATES[$state] : self::UNKNOWN;
        $moment = WooSyncTold::moment($last, 'at');
        $line = array(
            'store' => $isOneOfMany ? WooSyncTold::text($store, 'store') : '',
            'before' => $state === 'in_sync' && $partner ? 'with' : '',
            'partner' => self::partner(WooSyncTold::text($partner, 'id'), $module),
            'partner_url' => WooSyncTold::link($partner, 'url'),
            'when' => $moment ? 'last ' . $clock($moment) : '',
            'url' => WooSyncTold::link($last, 'url'),
        );
        if ($state === 'waiting') {
            $line['when'] = 'since ' . $clock(WooSyncTold::moment($unsettled, 'since'));
            $line['url'] = WooSyncTold::link($unsettled, 'url');
        } elseif ($state === 'conflict' || $state === 'held') {
            $line['url'] = WooSyncTold::link($store, 'conflicts_url');
        }
        return $line + self::plain($mark, self::why($state, $store, $last, $unsettled));
    }

    private static function partner($id, $module)
    {
        if ($id === '') {
            return '';
        }
        if (strpos($id, self::GUEST) === 0) {
            return 'guest ' . substr($id, strlen(self::GUEST));
        }
        return 'shop ' . (isset(self::KINDS[$module]) ? self::KINDS[$module] : 'record') . " #$id";
    }

    private static function why($state, $store, $last, $unsettled)
    {
        if ($state === 'conflict') {
            $count = WooSyncTold::number($store, 'conflicts');
            return $count === 1 ? 'both sides changed a field, and a person has to choose.'
                : "both sides changed $count fields, and a person has to choose.";
        }
        if ($state === 'held') {
            return 'the record is gone on one side, and a person has to say whether it goes on the other.';
        }
        $why = WooSyncTold::text($unsettled, 'message') ?: WooSyncTold::text($last, 'message');
        if ($state === 'waiting') {
            $why = WooSyncTold::text($unsettled, 'message');
        } elseif ($state === 'in_sync' && WooSyncTold::text($last, 'reason') === '') {
            $why = ''; // what was done is told by the log
        }
        return self::shortened($why);
    }

    /** Whole characters: half of one would make the page's text unreadable. */
    private static function shortened($text)
    {
        $found = preg_match('/^.{' . self::LONGEST . '}/us', $text, $start);
        return $found ? $start[0] . '…' : $text;
    }
}
