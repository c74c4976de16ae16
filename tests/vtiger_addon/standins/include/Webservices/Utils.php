<?php
// Stands in for the web service: operations in two tables, called with named arguments (PHP 8).

class WebServiceErrorCode
{
    public static $ACCESSDENIED = 'ACCESS_DENIED';
    public static $DATABASEQUERYERROR = 'DATABASE_QUERY_ERROR';
}

class WebServiceException extends Exception
{
    public function __construct($code, $message)
    {
        parent::__construct($message);
        $this->code = $code;
    }
}

function is_admin($user)
{
    return $user->is_admin === 'on';
}

/** Adds a second one of the same name, as Vtiger does. */
function vtws_addWebserviceOperation($name, $file, $method, $type, $preLogin = 0)
{
    $adb = PearDatabase::getInstance();
    $id = $adb->getUniqueID('vtiger_ws_operation');
    $adb->pquery(
        'INSERT INTO vtiger_ws_operation (operationid, name, handler_path, handler_method, type, prelogin)'
        . ' VALUES (?, ?, ?, ?, ?, ?)',
        array($id, $name, $file, $method, $type, $preLogin)
    );
    return $id;
}

function vtws_addWebserviceOperationParam($id, $name, $type, $sequence)
{
    PearDatabase::getInstance()->pquery(
        'INSERT INTO vtiger_ws_operation_parameters (operationid, name, type, sequence) VALUES (?, ?, ?, ?)',
        array($id, $name, $type, $sequence)
    );
}

/** The answer's text; '' is HTTP 500 with an empty body, as for an operation that is not there. */
function webservice($name, $query, $user)
{
    $adb = PearDatabase::getInstance();
    $found = $adb->pquery('SELECT * FROM vtiger_ws_operation WHERE LOWER(name) = ?', array(strtolower($name)));
    if (count($found->rows) !== 1) {
        return '';
    }
    $operation = $found->rows[0];
    $params = $adb->pquery(
        'SELECT name FROM vtiger_ws_operation_parameters WHERE operationid = ? ORDER BY sequence',
        array($operation['operationid'])
    );
    $named = array('user' => $user);
    foreach ($params->rows as $row) {
        $given = isset($query[$row['name']]) ? (string) $query[$row['name']] : '';
        $named[$row['name']] = $given === '0' ? '' : $given; // "0" arrives as nothing
    }
    require_once $operation['handler_path'];
    try {
        $result = call_user_func_array($operation['handler_method'], $named);
        return json_encode(array('success' => true, 'result' => $result));
    } catch (WebServiceException $refusal) {
        $error = array('code' => $refusal->getCode(), 'message' => $refusal->getMessage());
        return json_encode(array('success' => false, 'error' => $error));
    }
}
