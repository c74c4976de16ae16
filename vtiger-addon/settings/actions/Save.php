<?php
// Saves the settings page.

require_once 'modules/WooSync/WooSyncSettings.php';

class Settings_WooSync_Save_Action extends Settings_Vtiger_Basic_Action
{
    public function process(Vtiger_Request $request)
    {
        $response = new Vtiger_Response();
        try {
            $url = $request->getRaw('url');
            $message = WooSyncSettings::open()->save($url, $request->getRaw('secret'), $this->modules($request));
            $response->setResult(array('message' => $message));
        } catch (Throwable $failure) {
            $response->setError('WOOSYNC', $failure->getMessage());
        }
        $response->emit();
    }

    /** Boxes that are not ticked are not sent, so the form says that it has boxes. */
    private function modules(Vtiger_Request $request)
    {
        $modules = $request->get('modules');
        if (!is_array($modules)) {
            $modules = $modules === '' ? array() : array($modules);
        }
        return $modules || $request->get('choose_modules') ? $modules : null;
    }

    public function validateRequest(Vtiger_Request $request)
    {
        $request->validateWriteAccess();
    }
}
