<?php
// Stands in for the pages: requests with a raw and a cleaned face, answers, the base classes' guards.

class Vtiger_Request
{
    private $values;

    public function __construct($values)
    {
        $this->values = $values;
    }

    public function get($name, $default = '')
    {
        $value = isset($this->values[$name]) ? $this->values[$name] : $default;
        return is_string($value) ? htmlspecialchars($value) : $value; // purified
    }

    public function getRaw($name, $default = '')
    {
        return isset($this->values[$name]) ? $this->values[$name] : $default;
    }

    public function getModule($raw = true)
    {
        return $raw ? 'WooSync' : 'Settings:WooSync';
    }

    public function validateWriteAccess()
    {
        if ($this->getRaw('method') !== 'POST') {
            throw new Exception('Invalid request');
        }
        if ($this->getRaw('__vtrftk') !== 'token') {
            throw new Exception('Unsupported request');
        }
    }
}

class Vtiger_Response
{
    private $answer = array('success' => true);

    public function setResult($result)
    {
        $this->answer = array('success' => true, 'result' => $result);
    }

    public function setError($code, $message = null)
    {
        $this->answer = array('success' => false, 'error' => array('code' => $code, 'message' => $message));
    }

    public function emit()
    {
        echo json_encode($this->answer);
    }
}

class Viewer
{
    public $values = array();
    public $template;

    public function assign($name, $value)
    {
        $this->values[$name] = $value;
    }

    public function view($template, $module)
    {
        $this->template = $template;
        echo json_encode($this->values);
    }
}

class Settings_Vtiger_Module_Model
{
    public $name = 'Vtiger';
}

abstract class Guarded
{
    public function validateRequest(Vtiger_Request $request)
    {
    }

    /** As the base classes of settings have it. */
    public function checkPermission(Vtiger_Request $request)
    {
        if (!Users_Record_Model::getCurrentUserModel()->isAdminUser()) {
            throw new Exception('Permission denied');
        }
    }

    /** What index.php does with a request. */
    public static function serve($class, $values, $user)
    {
        Users_Record_Model::$current = new Users_Record_Model($user);
        $request = new Vtiger_Request($values);
        $page = new $class();
        ob_start();
        try {
            $page->validateRequest($request);
            $page->checkPermission($request);
            $page->process($request);
        } catch (Throwable $refusal) {
            ob_end_clean();
            return $refusal->getMessage();
        }
        return ob_get_clean();
    }
}

class Settings_Vtiger_Index_View extends Guarded
{
    public function getViewer($request)
    {
        return new Viewer();
    }

    public function process(Vtiger_Request $request)
    {
    }
}

class Settings_Vtiger_Basic_Action extends Guarded
{
    public function process(Vtiger_Request $request)
    {
    }
}

require_once 'pages.php'; // which build on what is above
