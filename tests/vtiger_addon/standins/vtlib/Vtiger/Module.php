<?php
// Stands in for the modules: a row in vtiger_tab, and the module's own class that hears of its fate.

class Vtiger_Module
{
    public $name;

    public function __construct($name)
    {
        $this->name = $name;
    }

    public static function getInstance($name)
    {
        $found = PearDatabase::getInstance()->pquery('SELECT name FROM vtiger_tab WHERE name = ?', array($name));
        return $found->rows ? new self($name) : false;
    }

    public static function fireEvent($name, $event)
    {
        $file = "modules/$name/$name.php";
        if (is_file($file)) {
            require_once $file;
            (new $name())->vtlib_handler($name, $event);
        }
    }

    /** Removes its own rows and nothing else. */
    public function delete()
    {
        self::fireEvent($this->name, 'module.preuninstall');
        $adb = PearDatabase::getInstance();
        $mine = 'SELECT tabid FROM vtiger_tab WHERE name = ?';
        $adb->pquery("DELETE FROM vtiger_profile2tab WHERE tabid = ($mine)", array($this->name));
        $adb->pquery('DELETE FROM vtiger_tab WHERE name = ?', array($this->name));
    }

    /** As the import of a package does once its files are in place. */
    public static function import($name, $version)
    {
        $adb = PearDatabase::getInstance();
        if (self::getInstance($name)) {
            $adb->pquery('UPDATE vtiger_tab SET version = ? WHERE name = ?', array($version, $name));
            self::fireEvent($name, 'module.postupdate');
            return;
        }
        $adb->pquery('INSERT INTO vtiger_tab (name, version, isentitytype) VALUES (?, ?, 0)', array($name, $version));
        $adb->pquery(
            'INSERT INTO vtiger_profile2tab (profileid, tabid, permissions) SELECT 1, tabid, 0 FROM vtiger_tab'
            . ' WHERE name = ?',
            array($name)
        );
        self::fireEvent($name, 'module.postinstall');
    }
}
