<?php
// The badge of one record, as a piece of HTML that its detail page asks for.

require_once 'modules/WooSync/WooSyncQuestions.php';
require_once 'modules/WooSync/WooSyncRecord.php';
require_once 'modules/WooSync/WooSyncClock.php';

class WooSync_Badge_View extends Vtiger_IndexAjax_View
{
    private $record;

    /** The record's own permission is what counts, and not the add-on's. */
    public function requiresPermission(Vtiger_Request $request)
    {
        return array();
    }

    public function checkPermission(Vtiger_Request $request)
    {
        $this->record = new WooSyncRecord($request->get('record'));
        if (!$this->record->mayBeSeen()) {
            throw new AppException(vtranslate('LBL_PERMISSION_DENIED'));
        }
        return true;
    }

    public function process(Vtiger_Request $request)
    {
        $config = WooSyncState::shared()->config;
        if ($config->silence() !== '') {
            return; // no badge: there is nothing that anybody could tell
        }
        $questions = new WooSyncQuestions($config);
        $answer = $questions->status($this->record->id(), $this->record->module);
        $viewer = $this->getViewer($request);
        $viewer->assign('WOOSYNC_LINES', $this->lines($answer));
        $viewer->assign('WOOSYNC_RECORD', $this->record->number);
        $viewer->assign('WOOSYNC_MAY_SYNC', $this->record->mayBeEdited());
        $viewer->view('Badge.tpl', 'WooSync');
    }

    private function lines(WooSyncAnswer $answer)
    {
        if (!$answer->taken) {
            $isAdmin = Users_Record_Model::getCurrentUserModel()->isAdminUser();
            return array(WooSyncBadge::away($answer->message, $isAdmin));
        }
        $records = WooSyncTold::values($answer->data, 'records');
        $stores = WooSyncTold::values(isset($records[0]) ? $records[0] : array(), 'stores');
        return WooSyncBadge::lines($stores, $this->record->module, array('WooSyncClock', 'show'));
    }
}
