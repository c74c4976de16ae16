<?php
// The page WooCommerce Sync Log. It names records of all modules, so it is for administrators.

require_once 'modules/WooSync/WooSyncQuestions.php';
require_once 'modules/WooSync/WooSyncLog.php';
require_once 'modules/WooSync/WooSyncClock.php';

class WooSync_List_View extends Vtiger_Index_View
{
    public function requiresPermission(Vtiger_Request $request)
    {
        return array();
    }

    public function checkPermission(Vtiger_Request $request)
    {
        if (!Users_Record_Model::getCurrentUserModel()->isAdminUser()) {
            throw new AppException(vtranslate('LBL_PERMISSION_DENIED'));
        }
        return true;
    }

    public function process(Vtiger_Request $request)
    {
        $viewer = $this->getViewer($request);
        foreach ($this->values() as $name => $value) {
            $viewer->assign($name, $value);
        }
        $viewer->view('Log.tpl', 'WooSync');
    }

    private function values()
    {
        $config = WooSyncState::shared()->config;
        $clock = array('WooSyncClock', 'show');
        if ($config->silence() !== '') {
            return WooSyncLog::show(array(), $clock) + array('WOOSYNC_PROBLEM' => $config->silence());
        }
        $answer = (new WooSyncQuestions($config))->summary();
        return WooSyncLog::show($answer->data, $clock) + array('WOOSYNC_PROBLEM' => $answer->message);
    }
}
