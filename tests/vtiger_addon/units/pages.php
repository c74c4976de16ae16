<?php
// Checks of the words and numbers of Vtiger's pages, without Vtiger. One line for each failure; the
// last line counts what was checked. Usage: php pages.php <folder of the classes>

$folder = $argv[1] . '/modules/WooSync/';
require_once $folder . 'WooSyncBadge.php';
require_once $folder . 'WooSyncLog.php';
require_once __DIR__ . '/same.php';

function clock($seconds)
{
    return gmdate('H:i', $seconds);
}

/** The line as a reader sees it. */
function said($store, $module = 'SalesOrder', $others = array())
{
    $line = WooSyncBadge::lines(array_merge(array($store), $others), $module, 'clock')[0];
    $when = $line['when'] . ($line['when'] !== '' && $line['why'] !== '' ? ':' : '');
    $told = array("[{$line['mark']}]", $line['store'], $line['before'], $line['partner'], $when, $line['why'], $line['url']);
    return implode(' ', array_filter($told, 'strlen'));
}

$entry = array(
    'at' => '2026-11-30T12:03:05.118245Z', 'reason' => null, 'message' => 'Updated 2 fields.',
    'url' => 'https://s.example/ui/records/7', 'outcome' => 'updated', 'target' => 'vtiger',
    'module' => 'contacts', 'label' => 'Ada <ada@example.com>', 'source_id' => '7',
);
$order = array('id' => '123', 'url' => 'https://shop.example/wp-admin/post.php?post=123&action=edit');
$pair = array('store' => 'main', 'state' => 'in_sync', 'partner' => $order, 'last' => $entry, 'unsettled' => null);
$told = 'with shop order #123 last 12:03 https://s.example/ui/records/7';

// What the badge says.
same('in sync', "[In sync] $told", said($pair));
same('address', $order['url'], WooSyncBadge::lines(array($pair), 'SalesOrder', 'clock')[0]['partner_url']);
$noted = array('reason' => 'total_differs', 'message' => 'The total differs.') + $entry;
same(
    'in sync with a note',
    '[In sync] with shop order #123 last 12:03: The total differs. https://s.example/ui/records/7',
    said(array('last' => $noted) + $pair)
);
$failed_entry = array('message' => 'The shop refused it.', 'reason' => 'rejected_by_remote') + $entry;
same(
    'failed',
    '[Failed] shop order #123 last 12:03: The shop refused it. https://s.example/ui/records/7',
    said(array('state' => 'failed', 'last' => $failed_entry) + $pair)
);
$delivery = array('since' => '2026-11-30T11:00:00Z', 'message' => 'No answer.', 'url' => 'https://s.example/ui/deliveries/3');
same(
    'waits',
    '[Waiting] shop order #123 since 11:00: No answer. https://s.example/ui/deliveries/3',
    said(array('state' => 'waiting', 'unsettled' => $delivery) + $pair)
);
same(
    'waits and was not tried',
    '[Waiting] shop order #123 since 11:00 https://s.example/ui/deliveries/3',
    said(array('state' => 'waiting', 'unsettled' => array('message' => '') + $delivery) + $pair)
);
same(
    'gave up',
    '[Failed] shop order #123 last 12:03: No answer. https://s.example/ui/records/7',
    said(array('state' => 'failed', 'unsettled' => $delivery) + $pair)
);
same(
    'without a pair',
    '[Not synced] last 12:03: Nobody chose it. https://s.example/ui/records/7',
    said(array('state' => 'skipped', 'partner' => null, 'last' => array('message' => 'Nobody chose it.') + $entry) + $pair)
);
$asking = array('conflicts' => 2, 'conflicts_url' => 'https://s.example/ui/conflicts') + $pair;
same(
    'conflicts',
    '[Conflict] shop order #123 last 12:03: both sides changed 2 fields, and a person has to choose. https://s.example/ui/conflicts',
    said(array('state' => 'conflict') + $asking)
);
same(
    'one conflict',
    true,
    strpos(said(array('state' => 'conflict', 'conflicts' => 1) + $asking), 'changed a field') !== false
);
same('held', true, strpos(said(array('state' => 'held') + $asking), '[Deletion held]') === 0);
same('unknown to the shops', array('Not synced yet'), array_column(WooSyncBadge::lines(array(), 'Contacts', 'clock'), 'mark'));
same('a pair of which the log is gone', '[In sync] with shop order #123', said(array('last' => null) + $pair));
same('several shops', "[In sync] main $told", said($pair, 'SalesOrder', array($pair)));
same('customer', true, strpos(said($pair, 'Contacts'), 'shop customer #123') !== false);
same('product', true, strpos(said($pair, 'Products'), 'shop product #123') !== false);
$guest = array('partner' => array('id' => 'guest:ada@example.com', 'url' => null)) + $pair;
same('guest', true, strpos(said($guest, 'Contacts'), 'with guest ada@example.com last') !== false);
same('a long message is cut at a character', 301, preg_match_all('/./su', WooSyncBadge::lines(
    array(array('state' => 'failed', 'last' => array('message' => str_repeat('漢', 400)) + $entry) + $pair),
    'SalesOrder',
    'clock'
)[0]['why']));
same('away, for an administrator', 'No answer.', WooSyncBadge::away('No answer.', true)['why']);
same('away, for others', false, strpos(WooSyncBadge::away('No answer of 10.0.0.7.', false)['why'], '10.0.0.7'));

// Addresses and values that are none.
foreach (array('javascript:alert(1)', 'data:text/html,x', '//evil.example', "https://a.b/\"onclick=", 'https://a.b/ c', "https://a.b/\n") as $bad) {
    same("no link: $bad", '', WooSyncTold::link(array('url' => $bad), 'url'));
}
foreach (array('text', 7, null, array('state' => array()), array('last' => 'x', 'partner' => 7, 'state' => 'other')) as $odd) {
    same('an odd answer', 'Not synced yet', WooSyncBadge::lines(array($odd), 'Contacts', 'clock')[0]['mark']);
}
same('odd tables', array('WooCommerce' => array(), 'Vtiger CRM' => array()), WooSyncLog::show('odd', 'clock')['WOOSYNC_TABLES']);

// The Sync Log.
$count = array('count' => 7, 'url' => 'https://s.example/ui/records?outcome=created');
$told = array(
    'url' => 'https://s.example/',
    'tables' => array('vtiger' => array('sales_orders' => array('created' => $count), 'invoices' => array())),
    'queue' => array('dead' => array('count' => 2, 'url' => null)),
    'recent' => array($entry, array('label' => '', 'at' => 'x', 'target' => 'woocommerce') + $entry),
);
$shown = WooSyncLog::show($told, 'clock');
same('titles', array('WooCommerce', 'Vtiger CRM'), array_keys($shown['WOOSYNC_TABLES']));
same('rows', array('Sales Orders', 'invoices'), array_keys($shown['WOOSYNC_TABLES']['Vtiger CRM']));
same('columns', array('Created', 'Updated', 'Deleted', 'Skipped', 'Failed'), $shown['WOOSYNC_COLUMNS']);
same('a number leads on', $count, $shown['WOOSYNC_TABLES']['Vtiger CRM']['Sales Orders'][0]);
same('one that is not told', array('count' => 0, 'url' => ''), $shown['WOOSYNC_TABLES']['Vtiger CRM']['Sales Orders'][1]);
same('given up', array('count' => 2, 'url' => ''), $shown['WOOSYNC_OPEN']['given up']);
same('outcomes', array('12:03', 'Updated', 'Vtiger CRM', 'Contacts', 'Ada <ada@example.com>'), array_map(function ($name) use ($shown) {
    return $shown['WOOSYNC_RECENT'][0][$name];
}, array('when', 'outcome', 'system', 'module', 'label')));
same('a record without a name', '7', $shown['WOOSYNC_RECENT'][1]['label']);

// The module's name, and its title in the menu.
class Vtiger_Module_Model
{
    public $label = 'WooSync';

    public function get($name)
    {
        if (!property_exists($this, $name)) {
            throw new Exception("$name does not exist");
        }
        return $this->$name;
    }

    public function set($name, $value)
    {
        $this->$name = $value;
    }
}
require_once $folder . 'models/Module.php';
#[AllowDynamicProperties]
class MenuModule extends WooSync_Module_Model
{
}
same('in Module Manager', 'WooSync', (new WooSync_Module_Model())->get('label'));
$module = new MenuModule();
$module->set('app2tab_sequence', 6);
same('in the menu', 'WooCommerce Sync Log', $module->get('label'));

echo "$checked checked, $failed failed\n";
exit($failed ? 1 : 0);
