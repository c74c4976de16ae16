<?php
// Checks of the add-on's plain classes, without Vtiger and without a database. One line for each
// failure; the last line counts what was checked. Usage: php units.php <folder of the classes>

$folder = $argv[1] . '/modules/WooSync/';
foreach (array('Rules', 'Signature', 'Breaker', 'Batch', 'Sweep', 'Address', 'Answer') as $name) {
    require_once $folder . "WooSync$name.php";
}
date_default_timezone_set('UTC');
require_once __DIR__ . '/same.php';

function refusal($do)
{
    try {
        $do();
    } catch (InvalidArgumentException $refusal) {
        return $refusal->getMessage();
    }
    return '';
}

// Signatures are those that the service reckons.
foreach (json_decode(file_get_contents(__DIR__ . '/../signatures.json'), true) as $one) {
    $found = WooSyncSignature::of($one['secret'], $one['timestamp'], $one['body']);
    same('signature of ' . $one['body'], $one['signature'], $found);
}
$headers = WooSyncSignature::headers('k', 7, '{}');
same('headers', 'X-WooSync-Timestamp: 7', $headers[1]);

// Events.
$final = 'vtiger.entity.aftersave.final';
same('save of a new record', 'created', WooSyncRules::event($final, true));
same('save', 'updated', WooSyncRules::event($final, false));
same('delete', 'deleted', WooSyncRules::event('vtiger.entity.afterdelete', false));
same('restore', 'restored', WooSyncRules::event('vtiger.entity.afterrestore', false));
same('an early save is not told', null, WooSyncRules::event('vtiger.entity.aftersave', true));

class Data
{
    public $focus;
    private $new;

    public function __construct($new, $focus)
    {
        $this->new = $new;
        $this->focus = $focus;
    }

    public function isNew()
    {
        return $this->new;
    }
}
same('new', true, WooSyncRules::isNew(new Data(true, null)));
same('order by its delta', true, WooSyncRules::isNew(new Data(false, (object) array('newDelta' => true))));
same('order without', false, WooSyncRules::isNew(new Data(false, (object) array())));

// Who acts.
$workflow = (object) array('id' => 1);
same('API', 5, WooSyncRules::actingUser(array('authenticatedUserId' => 5), $workflow));
same('UI', 6, WooSyncRules::actingUser(array('authenticated_user_id' => '6'), $workflow));
same('cron', 1, WooSyncRules::actingUser(array(), $workflow));
same('nobody', 0, WooSyncRules::actingUser(array(), null));

// Modules, limits, delays, versions.
same('known modules', array('Contacts', 'SalesOrder'), WooSyncRules::modules(array('SalesOrder', 'Leads', 'Contacts')));
same('no modules', array(), WooSyncRules::modules(null));
same('limit missing', 100, WooSyncRules::limit(''));
same('limit', 7, WooSyncRules::limit('7'));
same('limit too high', 1000, WooSyncRules::limit('100000'));
same('limit below', 1, WooSyncRules::limit('-3'));
same('first delay', 30, WooSyncRules::delay(0));
same('fourth delay', 240, WooSyncRules::delay(3));
same('longest delay', 3600, WooSyncRules::delay(99));
same('this Vtiger', '', WooSyncRules::objection('8.2.0', '8.2.36', true));
same('old Vtiger', 'This is Vtiger 7.5.0; WooSync needs Vtiger 8 (it was made for 8.0 to 8.4).', WooSyncRules::objection('7.5.0', '8.2.36', true));
same('next Vtiger', true, WooSyncRules::objection('80.1', '8.2.36', true) !== '');
same('old PHP', true, strpos(WooSyncRules::objection('8.2.0', '5.6.0', true), 'PHP 5.6.0') !== false);
same('no curl', true, strpos(WooSyncRules::objection('8.2.0', '8.2.36', false), 'php-curl') !== false);

// Breaker.
$state = WooSyncBreaker::closed();
same('closed', false, WooSyncBreaker::isOpen($state['down_until'], 1000));
$state = WooSyncBreaker::failed($state['failures'], 1000);
same('first failure', array('down_until' => 1060, 'failures' => 1), $state);
same('open', true, WooSyncBreaker::isOpen($state['down_until'], 1059));
same('lapsed', false, WooSyncBreaker::isOpen($state['down_until'], 1060));
same('second failure', 1120, WooSyncBreaker::failed(1, 1000)['down_until']);
same('many failures', 4600, WooSyncBreaker::failed(500, 1000)['down_until']);

// Batches.
$row = array('seq' => '3', 'crmid' => '2559', 'module' => 'Contacts', 'event' => 'created', 'modifiedtime' => '2026-11-25 01:00:00', 'user_id' => '5', 'attempts' => '0');
$body = json_decode(WooSyncBatch::body(array($row), array('Contacts' => 12, 'Users' => 19), 'abc'), true);
same('change', array('sequence' => 3, 'id' => '12x2559', 'module' => 'Contacts', 'event' => 'created', 'modifiedtime' => '2026-11-25 01:00:00', 'user_id' => '19x5'), $body['changes'][0]);
same('installation', 'abc', $body['installation']);
same('an empty batch is a list', '[]', json_encode(json_decode(WooSyncBatch::body(array(), array(), ''))->changes));
same('nobody did it', null, WooSyncBatch::id(array('Users' => 19), 'Users', '0'));
same('module that is gone', null, WooSyncBatch::id(array(), 'Contacts', '7'));

// Sweeps.
$now = strtotime('2026-11-25 12:00:00');
same('after the last one', '2026-11-25 11:40:00', WooSyncSweep::since('2026-11-25 11:50:00', $now));
same('clock went back', '2026-11-25 11:50:00', WooSyncSweep::since('2026-11-25 12:59:00', $now));
same('never swept', '2026-11-25 11:50:00', WooSyncSweep::since('', $now));
same('unreadable mark', '2026-11-25 11:50:00', WooSyncSweep::since('yesterday-ish', $now));
same('stale', true, WooSyncSweep::isStale($now - 60, $now));
same('fresh', false, WooSyncSweep::isStale($now - 59, $now));

// Addresses.
$wanted = 'https://sync.example.com/callbacks/vtiger';
same('base', $wanted, WooSyncAddress::complete(' https://sync.example.com/ '));
same('whole', $wanted, WooSyncAddress::complete($wanted));
same('below a path', 'http://10.0.0.1:8000/sync/callbacks/vtiger', WooSyncAddress::complete('http://10.0.0.1:8000/sync'));
same('none', '', WooSyncAddress::complete('  '));
foreach (array('sync.example.com', 'ftp://x.y', 'https://', 'https://a@b.c', 'https://a.b/?x=1', 'https://a.b/<i>', "https://a.b/\n", 'file:///etc/passwd') as $bad) {
    same("refused: $bad", trim($bad) === 'https://a.b/' ? '' : 'refused', refusal(function () use ($bad) {
        WooSyncAddress::complete($bad);
    }) === '' ? '' : 'refused');
}

// Answers.
$answer = new WooSyncAnswer(202, '{"service": "woo-vtiger"}', '');
same('taken', array(true, false, ''), array($answer->taken, $answer->refused, $answer->message));
$answer = new WooSyncAnswer(401, '{"detail":"The signature is wrong."}', '');
same('refused', array(false, true, 'The service answered HTTP 401: The signature is wrong.'), array($answer->taken, $answer->refused, $answer->message));
foreach (array(0, 408, 429, 500, 503) as $status) {
    same("not to be reached: $status", false, (new WooSyncAnswer($status, '', 'timed out'))->refused);
}
same('silence', 'The service gave no answer: timed out', (new WooSyncAnswer(0, false, 'timed out'))->message);
same('redirect', true, strpos((new WooSyncAnswer(301, '', ''))->message, 'redirects') !== false);
same('somebody else', true, strpos((new WooSyncAnswer(404, '<html>', ''))->message, 'woo-vtiger') !== false);

echo "$checked checked, $failed failed\n";
exit($failed ? 1 : 0);
