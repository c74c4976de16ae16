<?php
// Stands in for Vtiger's database object: the calls the add-on makes, over SQLite in another process.
// As in Vtiger a failing statement gives false, and only the raw reader leaves text as it is stored.

/** ADOdb's connection: asks its hook first, and keeps the number of the last error. */
class ADOConnection
{
    public $fnExecute = false;
    public $affected = 0;
    private $error = 0;
    private $pipes;
    private $process;

    public function __construct()
    {
        $command = array(getenv('CRM_PYTHON'), '-I', '-S', getenv('CRM_BRIDGE'), getenv('CRM_DATABASE'));
        $this->process = proc_open($command, array(array('pipe', 'r'), array('pipe', 'w'), STDERR), $this->pipes);
    }

    public function Execute($sql, $values = array())
    {
        if ($this->fnExecute) {
            $hook = $this->fnExecute;
            $answer = $hook($this, $sql, $values);
            if (isset($answer)) {
                return $answer;
            }
        }
        fwrite($this->pipes[0], json_encode(array($sql, $values ?: array())) . "\n");
        $answer = json_decode(fgets($this->pipes[1]), true);
        $this->error = isset($answer['error']) ? $answer['number'] : 0;
        if (isset($answer['error'])) {
            fwrite(STDERR, "$sql: {$answer['error']}\n");
            return false;
        }
        $this->affected = $answer['affected'];
        return (object) array('rows' => $answer['rows']);
    }

    public function ErrorNo()
    {
        return $this->error;
    }
}

class PearDatabase
{
    public $dieOnError = false;
    public $database;
    private static $shared;

    public static function getInstance()
    {
        if (self::$shared === null) {
            self::$shared = new self();
        }
        return self::$shared;
    }

    private function __construct()
    {
        $this->database = new ADOConnection();
    }

    public function pquery($sql, $params = array(), $dieOnError = false, $msg = '')
    {
        if (strpos(preg_replace("/'[^']*'/", '', $sql), '?') === false && $params) {
            throw new Exception("parameters without a place: $sql");
        }
        $this->database->Execute("SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'");
        return $this->database->Execute($sql, array_values($params));
    }

    public function query($sql, $dieOnError = false, $msg = '')
    {
        return $this->pquery($sql);
    }

    public function num_rows(&$result)
    {
        return count($result->rows);
    }

    public function raw_query_result_rowdata(&$result, $row = 0)
    {
        return $result->rows[$row];
    }

    public function query_result_rowdata(&$result, $row = 0)
    {
        return array_map(function ($value) {
            return htmlentities((string) $value, ENT_QUOTES);
        }, $result->rows[$row]);
    }

    public function query_result(&$result, $row, $col = 0)
    {
        return $this->query_result_rowdata($result, $row)[$col];
    }

    public function getAffectedRowCount(&$result)
    {
        return $this->database->affected;
    }

    /** Counted in a table of its own, which ADOdb makes when it is missing. */
    public function getUniqueID($table)
    {
        $count = "update {$table}_seq set id = id + 100";
        if (!$this->database->Execute($count)) {
            $this->database->Execute("create table {$table}_seq (id int not null)");
            $this->database->Execute("insert into {$table}_seq values (0)");
            $this->database->Execute($count);
        }
        return (int) $this->database->Execute("SELECT id FROM {$table}_seq")->rows[0]['id'];
    }
}
