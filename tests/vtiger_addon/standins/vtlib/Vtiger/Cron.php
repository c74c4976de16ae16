<?php
// Stands in for the cron tasks: name and file are unique, sequence 0 means last.

class Vtiger_Cron
{
    public static function register($name, $file, $frequency, $module = 'Home', $status = 1, $sequence = 0, $description = '')
    {
        $adb = PearDatabase::getInstance();
        if ($sequence == 0) {
            $found = $adb->query('SELECT MAX(sequence) + 1 AS next FROM vtiger_cron_task');
            $sequence = $found->rows[0]['next'];
        }
        $adb->pquery(
            'INSERT INTO vtiger_cron_task (name, handler_file, frequency, status, sequence, module, description)'
            . ' VALUES (?, ?, ?, ?, ?, ?, ?)',
            array($name, $file, $frequency, $status, $sequence, $module, $description)
        );
    }

    public static function deregister($name)
    {
        PearDatabase::getInstance()->pquery('DELETE FROM vtiger_cron_task WHERE name = ?', array($name));
    }

    /** As vtigercron.php does: in the order of sequence, each file once, an Error ends it all. */
    public static function runAll()
    {
        $found = PearDatabase::getInstance()->query('SELECT * FROM vtiger_cron_task WHERE status <> 0 ORDER BY sequence');
        foreach ($found->rows as $row) {
            try {
                require_once $row['handler_file'];
            } catch (Exception $failure) {
                echo $failure->getMessage();
            }
        }
    }
}
