<?php
// The settings page. The base class lets administrators in only.

require_once 'modules/WooSync/WooSyncSettings.php';

class Settings_WooSync_Index_View extends Settings_Vtiger_Index_View
{
    public function process(Vtiger_Request $request)
    {
        $viewer = $this->getViewer($request);
        foreach (WooSyncSettings::open()->show() as $name => $value) {
            $viewer->assign($name, $value);
        }
        $viewer->view('Index.tpl', $request->getModule(false));
    }
}
