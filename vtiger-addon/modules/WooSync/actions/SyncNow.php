<?php
// The badge's button: tells the service of the record as if it had just been saved.

require_once 'modules/WooSync/WooSyncRecord.php';

class WooSync_SyncNow_Action extends Vtiger_Action_Controller
{
    private $record;

    public function validateRequest(Vtiger_Request $request)
    {
        $request->validateWriteAccess();
    }

    public function checkPermission(Vtiger_Request $request)
    {
        $this->record = new WooSyncRecord($request->get('record'));
        if (!$this->record->mayBeEdited()) {
            throw new AppException(vtranslate('LBL_PERMISSION_DENIED'));
        }
        return true;
    }

    public function process(Vtiger_Request $request)
    {
        $response = new Vtiger_Response();
        try {
            $user = Users_Record_Model::getCurrentUserModel()->getId();
            $fault = WooSyncState::shared()->syncNow($this->record->number, $this->record->module, $user);
            $fault === ''
                ? $response->setResult(array('message' => 'The service was told.'))
                : $response->setError('WOOSYNC', $fault);
        } catch (Throwable $failure) {
            $response->setError('WOOSYNC', $failure->getMessage());
        }
        $response->emit();
    }
}
