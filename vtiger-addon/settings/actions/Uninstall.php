<?php
// Removes the add-on, which Module Manager has no button for.

require_once 'modules/WooSync/WooSyncInstaller.php';

class Settings_WooSync_Uninstall_Action extends Settings_Vtiger_Basic_Action
{
    public function process(Vtiger_Request $request)
    {
        $response = new Vtiger_Response();
        try {
            $left = WooSyncInstaller::uninstall();
            $left
                ? $response->setError('WOOSYNC', 'Removed; delete these folders by hand: ' . implode(', ', $left))
                : $response->setResult(array('message' => 'WooSync is removed.'));
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
