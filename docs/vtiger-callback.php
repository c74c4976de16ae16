<?php
// Tells woo-vtiger which record was saved, and nothing else: the service reads the record itself.
// Copy to the root folder of Vtiger as woo-vtiger-callback.php, set the two values below, then
// register it once, from that folder: php woo-vtiger-callback.php

const WOO_VTIGER_URL = 'https://sync.example.com/callbacks/vtiger/';
const WOO_VTIGER_TOKEN = '<the VTIGER__CALLBACK_SECRET of the service>';
const WOO_VTIGER_MODULES = array('Contacts' => 'contacts');

function woo_vtiger_notify($entity)
{
    try {
        $module = WOO_VTIGER_MODULES[$entity->getModuleName()];
        $request = curl_init(WOO_VTIGER_URL . $module);
        curl_setopt_array($request, array(
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => json_encode(array('id' => $entity->getId())),
            CURLOPT_HTTPHEADER => array(
                'Content-Type: application/json',
                'X-Callback-Token: ' . WOO_VTIGER_TOKEN,
            ),
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_NOSIGNAL => true,
            CURLOPT_CONNECTTIMEOUT_MS => 500, // it runs inside the user's save
            CURLOPT_TIMEOUT_MS => 1000,
        ));
        curl_exec($request);
    } catch (Throwable $failure) {
        // A lost call costs time, not data: the service polls. It must never break a save.
        error_log('woo-vtiger: ' . $failure->getMessage());
    }
}

function woo_vtiger_register()
{
    $adb = PearDatabase::getInstance();
    $methods = new VTEntityMethodManager($adb);
    $workflows = new VTWorkflowManager($adb);
    $tasks = new VTTaskManager($adb);
    foreach (array_keys(WOO_VTIGER_MODULES) as $module) {
        if (in_array('woo_vtiger_notify', $methods->methodsForModule($module))) {
            echo "$module: already registered\n";
            continue;
        }
        $methods->addEntityMethod(
            $module, 'woo_vtiger_notify', 'woo-vtiger-callback.php', 'woo_vtiger_notify'
        );
        $workflow = $workflows->newWorkFlow($module);
        $workflow->description = 'Tell woo-vtiger';
        $workflow->test = '[]';
        $workflow->executionCondition = VTWorkflowManager::$ON_EVERY_SAVE;
        $workflow->defaultworkflow = 0;
        $workflows->save($workflow);
        $task = $tasks->createTask('VTEntityMethodTask', $workflow->id);
        $task->active = true;
        $task->summary = 'Tell woo-vtiger';
        $task->methodName = 'woo_vtiger_notify';
        $tasks->saveTask($task);
        echo "$module: registered\n";
    }
}

if (PHP_SAPI === 'cli' && realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    chdir(__DIR__);
    require_once 'config.php';
    require_once 'include/utils/utils.php';
    require_once 'modules/com_vtiger_workflow/include.inc';
    require_once 'modules/com_vtiger_workflow/tasks/VTEntityMethodTask.inc';
    require_once 'modules/com_vtiger_workflow/VTEntityMethodManager.inc';
    woo_vtiger_register();
}
