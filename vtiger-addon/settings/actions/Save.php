<?php
// Saves the settings page.

require_once 'modules/WooSync/WooSyncSettings.php';

class Settings_WooSync_Save_Action extends Settings_Vtiger_Basic_Action
{
    public function process(Vtiger_Request $request)
    {
        $response = new Vtiger_Response();
        try {
            $modules = $request->get('modules');
            $message = WooSyncSettings::open()->save(
                $request->getRaw('url'),
                $request->getRaw('secret'),
                is_array($modules) ? $modules : array($modules)
            );
            $response->setResult(array('message' => $message));
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
