<?php
// Vtiger's database object with failures that can be seen: its own calls only return false. The code of
// an exception is the database's number of the error.

class WooSyncDb
{
    private $adb;

    public function __construct($adb)
    {
        $this->adb = $adb;
    }

    public static function open()
    {
        return new self(PearDatabase::getInstance());
    }

    /** Rows as stored: the other readers of PearDatabase encode them for HTML. */
    public function rows($sql, $params = array())
    {
        $result = $this->run($sql, $params);
        $count = $this->adb->num_rows($result);
        $rows = array();
        for ($i = 0; $i < $count; $i++) {
            $rows[] = $this->adb->raw_query_result_rowdata($result, $i);
        }
        return $rows;
    }

    /** Rows as retrieve takes them, encoded for HTML: DataTransform decodes what it is given. */
    public function encodedRows($sql, $params = array())
    {
        $result = $this->run($sql, $params);
        $count = $this->adb->num_rows($result);
        $rows = array();
        for ($i = 0; $i < $count; $i++) {
            $rows[] = $this->adb->query_result_rowdata($result, $i);
        }
        return $rows;
    }

    /** The column `found` of the first row; null if there is none. */
    public function value($sql, $params = array())
    {
        $rows = $this->rows($sql, $params);
        return $rows ? $rows[0]['found'] : null;
    }

    /** How many rows that changed. */
    public function change($sql, $params = array())
    {
        $result = $this->run($sql, $params);
        return (int) $this->adb->getAffectedRowCount($result);
    }

    public function nextId($table)
    {
        return $this->adb->getUniqueID($table);
    }

    private function run($sql, $params)
    {
        $result = $params ? $this->adb->pquery($sql, $params) : $this->adb->query($sql);
        if (!$result) {
            $code = (int) $this->adb->database->ErrorNo();
            throw new RuntimeException('The database refused: ' . substr($sql, 0, 80), $code);
        }
        return $result;
    }

    /** `?, ?, ?` */
    public static function marks($values)
    {
        return implode(', ', array_fill(0, count($values), '?'));
    }
}
