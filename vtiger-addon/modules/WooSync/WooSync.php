<?php
// What Vtiger calls when the package is installed, updated, switched on or off, or removed.

require_once __DIR__ . '/WooSyncInstaller.php';

class WooSync
{
    public function vtlib_handler($moduleName, $eventType)
    {
        $installer = WooSyncInstaller::open();
        if ($eventType === 'module.postinstall') {
            $installer->install();
        } elseif ($eventType === 'module.postupdate') {
            $installer->update();
        } elseif ($eventType === 'module.enabled') {
            $installer->enable();
        } elseif ($eventType === 'module.disabled') {
            $installer->disable();
        } elseif ($eventType === 'module.preuninstall') {
            $installer->remove();
        }
    }
}
