<?php
// The test button: one signed request that names no record.

require_once 'modules/WooSync/WooSyncSettings.php';

class Settings_WooSync_Test_Action extends Settings_Vtiger_Basic_Action
{
    public function process(Vtiger_Request $request)
    {
        $response = new Vtiger_Response();
        try {
            $fault = WooSyncSettings::open()->test();
            $message = 'The service answered: address and secret are right.';
            $fault === ''
                ? $response->setResult(array('message' => $message))
                : $response->setError('WOOSYNC', $fault);
        } catch (Throwable $failure) {
            $response->setError('WOOSYNC', $failure->getMessage());
        }
        $response->emit();
    }

    public function validateRequest(Vtiger_Request $request)
    {
        $request->validateWriteAccess();
    }
}
