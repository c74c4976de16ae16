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
        PearDatabase::getInstance()->pquery('DELETE FROM vtiger_tab WHERE name = ?', array($this->name));
    }

    /** As the import of a package does once its files are in place. */
    public static function import($name, $version)
    {
        $adb = PearDatabase::getInstance();
        $event = self::getInstance($name) ? 'module.postupdate' : 'module.postinstall';
        $adb->pquery('DELETE FROM vtiger_tab WHERE name = ?', array($name));
        $adb->pquery('INSERT INTO vtiger_tab (name, version, isentitytype) VALUES (?, ?, 0)', array($name, $version));
        self::fireEvent($name, $event);
    }
}
