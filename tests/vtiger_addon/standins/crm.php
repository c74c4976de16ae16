<?php
// One request: steps from standard input, done in turn in this process; their results as JSON.
// A file named `wrecked` holds what to break: it stands for a database or an outbox that fails.

require_once 'include/database/PearDatabase.php';
require_once 'include/events/include.inc';
require_once 'include/Webservices/Utils.php';
require_once 'vtlib/Vtiger/Module.php';
require_once 'vtlib/Vtiger/Cron.php';
require_once 'settings.php';
require_once 'entities.php';
date_default_timezone_set('UTC');

function now()
{
    return date('Y-m-d H:i:s', time());
}

/** A row as a save leaves it; nobody is told. */
function store($id, $module, $user = 1, $deleted = 0, $modified = null)
{
    $adb = PearDatabase::getInstance();
    $modified = $modified ?: now();
    $known = $adb->pquery('SELECT createdtime FROM vtiger_crmentity WHERE crmid = ?', array($id));
    $created = $known->rows ? $known->rows[0]['createdtime'] : $modified;
    $adb->pquery(
        'REPLACE INTO vtiger_crmentity (crmid, setype, modifiedby, createdtime, modifiedtime, deleted)'
        . ' VALUES (?, ?, ?, ?, ?, ?)',
        array($id, $module, $user, $created, $modified, $deleted)
    );
    return !$known->rows;
}

/** The three events of a person's deeds; an order has its id before it is saved. */
function act($id, $module, $user, $deed)
{
    $isNew = store($id, $module, $user, $deed === 'delete' ? 1 : 0);
    $data = new VTEntityData($module, $deed === 'save' ? $id : (string) $id, $isNew && $module !== 'SalesOrder');
    if ($isNew && $module === 'SalesOrder') {
        $data->focus->newDelta = true;
    }
    $names = array('save' => 'aftersave.final', 'delete' => 'afterdelete', 'restore' => 'afterrestore');
    (new VTEventsManager(PearDatabase::getInstance()))->triggerEvent('vtiger.entity.' . $names[$deed], $data);
    return 'done';
}

function page($class, $values, $admin)
{
    $kind = strpos($class, '_View') ? 'views' : 'actions';
    $parts = explode('_', $class);
    $folder = $parts[0] === 'Settings' ? 'modules/Settings/WooSync' : 'modules/WooSync';
    $name = $parts[count($parts) - 2];
    require_once "$folder/$kind/$name.php";
    return Guarded::serve($class, $values, $admin);
}

function step($step)
{
    list($verb, $args) = array($step[0], array_slice($step, 1));
    switch ($verb) {
        case 'import':
            return Vtiger_Module::import('WooSync', $args[0]);
        case 'fire':
            return Vtiger_Module::fireEvent('WooSync', $args[0]);
        case 'user':
            $_SESSION[$args[0]] = $args[1];
            return null;
        case 'current_user':
            $GLOBALS['current_user'] = (object) array('id' => $args[0]);
            return null;
        case 'store':
            return store(...$args);
        case 'act':
            return act(...$args);
        case 'cron':
            ob_start();
            Vtiger_Cron::runAll();
            return ob_get_clean();
        case 'webservice':
            $GLOBALS['current_user'] = (object) array('id' => 5, 'is_admin' => $args[2] ? 'on' : 'off');
            return webservice($args[0], $args[1], $GLOBALS['current_user']);
        case 'page':
            return page(...$args);
        case 'sql':
            return PearDatabase::getInstance()->query($args[0])->rows;
    }
    throw new Exception("no such step: $verb");
}

$results = array();
foreach (json_decode(stream_get_contents(STDIN), true) as $step) {
    $results[] = step($step);
}
echo json_encode(array('results' => $results, 'seconds' => 0));
