<?php
// The service's Sync Log as Vtiger's page shows it: two tables, what waits, and the last outcomes.

require_once __DIR__ . '/WooSyncTold.php';

class WooSyncLog
{
    const SYSTEMS = array('woocommerce' => 'WooCommerce', 'vtiger' => 'Vtiger CRM');
    const MODULES = array(
        'contacts' => 'Contacts', 'products' => 'Products', 'sales_orders' => 'Sales Orders', 'taxes' => 'Taxes',
    );
    const OUTCOMES = array(
        'created' => 'Created', 'updated' => 'Updated', 'deleted' => 'Deleted', 'skipped' => 'Skipped',
        'failed' => 'Failed',
    );
    const MARKS = array('created' => 'success', 'updated' => 'info', 'skipped' => 'warning', 'failed' => 'danger');

    /** Values of the template, by name; `clock` makes a text of Unix seconds. */
    public static function show($told, $clock)
    {
        return array(
            'WOOSYNC_COLUMNS' => array_values(self::OUTCOMES),
            'WOOSYNC_TABLES' => self::tables(WooSyncTold::values($told, 'tables')),
            'WOOSYNC_OPEN' => self::open($told),
            'WOOSYNC_RECENT' => self::recent(WooSyncTold::values($told, 'recent'), $clock),
            'WOOSYNC_PAGES' => WooSyncTold::link($told, 'url'),
        );
    }

    /** By the system that was written to: a row for each module, with a number for each outcome. */
    private static function tables($told)
    {
        $tables = array();
        foreach (self::SYSTEMS as $system => $title) {
            $rows = array();
            foreach (WooSyncTold::values($told, $system) as $module => $counts) {
                $cells = array();
                foreach (array_keys(self::OUTCOMES) as $outcome) {
                    $cells[] = self::count(WooSyncTold::values($counts, $outcome));
                }
                $rows[self::named(self::MODULES, $module)] = $cells;
            }
            $tables[$title] = $rows;
        }
        return $tables;
    }

    private static function count($told)
    {
        return array('count' => WooSyncTold::number($told, 'count'), 'url' => WooSyncTold::link($told, 'url'));
    }

    private static function open($told)
    {
        $queue = WooSyncTold::values($told, 'queue');
        return array(
            'waiting' => self::count(WooSyncTold::values($queue, 'pending')),
            'in work' => self::count(WooSyncTold::values($queue, 'processing')),
            'given up' => self::count(WooSyncTold::values($queue, 'dead')),
            'conflicts to decide' => self::count(WooSyncTold::values($told, 'conflicts')),
        );
    }

    private static function recent($entries, $clock)
    {
        $rows = array();
        foreach ($entries as $entry) {
            $outcome = WooSyncTold::text($entry, 'outcome');
            $rows[] = array(
                'when' => $clock(WooSyncTold::moment($entry, 'at')),
                'outcome' => self::named(self::OUTCOMES, $outcome),
                'kind' => isset(self::MARKS[$outcome]) ? self::MARKS[$outcome] : 'default',
                'system' => self::named(self::SYSTEMS, WooSyncTold::text($entry, 'target')),
                'module' => self::named(self::MODULES, WooSyncTold::text($entry, 'module')),
                'label' => WooSyncTold::text($entry, 'label') ?: WooSyncTold::text($entry, 'source_id'),
                'message' => WooSyncTold::text($entry, 'message'),
                'url' => WooSyncTold::link($entry, 'url'),
            );
        }
        return $rows;
    }

    private static function named($names, $name)
    {
        return isset($names[$name]) ? $names[$name] : (string) $name;
    }
}
