<?php
// What a call of woosync_save asks for.

require_once __DIR__ . '/WooSyncChecks.php';
require_once __DIR__ . '/WooSyncKeys.php';
require_once __DIR__ . '/WooSyncRules.php';

class WooSyncItems
{
    const MOST = 100;

    /** The items of a call. Throws WebServiceException for what is no list of items with keys of their own. */
    public static function of($text)
    {
        $items = json_decode((string) $text, true);
        $isList = is_array($items) && ltrim($text)[0] === '[' && count($items) <= self::MOST;
        WooSyncChecks::demand($isList, 'INVALID_RECORDS', 'records must be a JSON list of at most ' . self::MOST . ' items');
        $keys = array_filter(array_column(array_filter($items, 'is_array'), 'key'), 'is_string');
        WooSyncChecks::demand($keys === array_unique($keys), 'INVALID_RECORDS', 'Each item needs a key of its own');
        return $items;
    }

    /** What is wrong with an item, '' if nothing is. */
    public static function fault($item)
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
}
