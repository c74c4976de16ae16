<?php
// Stands in for what pages outside of settings ask of Vtiger: the user, permissions of records, times.

class AppException extends Exception
{
}

function vtranslate($key, $module = '')
{
    return $key;
}

/** A user is an administrator, or has lists of the records to see and to edit. */
class Users_Record_Model
{
    public static $current;
    private $user;

    public function __construct($user)
    {
        $this->user = $user;
    }

    public static function getCurrentUserModel()
    {
        return self::$current;
    }

    public function isAdminUser()
    {
        return $this->user === true;
    }

    public function getId()
    {
        return 5;
    }

    public function get($name)
    {
        return array('hour_format' => '24')[$name];
    }

    public function may($action, $record)
    {
        return $this->isAdminUser() || in_array($record, $this->user[$action], true);
    }
}

/** An administrator may see records that are not there, as in Vtiger. */
class Users_Privileges_Model
{
    public static function isPermitted($module, $action, $record)
    {
        return Users_Record_Model::getCurrentUserModel()->may($action, $record);
    }
}

function isRecordExists($record)
{
    $found = PearDatabase::getInstance()->pquery('SELECT deleted FROM vtiger_crmentity WHERE crmid = ?', array($record));
    return $found->rows && !$found->rows[0]['deleted'];
}

function getSalesEntityType($record)
{
    $found = PearDatabase::getInstance()->pquery('SELECT setype FROM vtiger_crmentity WHERE crmid = ?', array($record));
    return $found->rows[0]['setype'];
}

/** The user's zone is two hours ahead of the database's. */
class DateTimeField
{
    private $moment;

    public function __construct($text)
    {
        $this->moment = strtotime("$text UTC") + 7200;
    }

    public static function getDBTimeZone()
    {
        return 'UTC';
    }

    public function getDisplayDate()
    {
        return gmdate('d.m.Y', $this->moment);
    }

    public function getDisplayTime()
    {
        return gmdate('H:i:s', $this->moment);
    }
}

abstract class Vtiger_Index_View extends Guarded
{
    public function requiresPermission(Vtiger_Request $request)
    {
        return array(array('module_parameter' => 'module', 'action' => 'DetailView'));
    }

    public function checkPermission(Vtiger_Request $request)
    {
        throw new AppException('Vtiger knows no permission of the add-on');
    }

    public function getViewer($request)
    {
        return new Viewer();
    }
}

abstract class Vtiger_IndexAjax_View extends Vtiger_Index_View
{
}

abstract class Vtiger_Action_Controller extends Guarded
{
}
