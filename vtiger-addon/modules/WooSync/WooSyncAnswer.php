<?php
// What the service answered: taken, refused (a person has to mend something), or not to be reached.

class WooSyncAnswer
{
    public $status;
    public $taken;
    public $refused;
    public $message;
    public $data; // of an answer that is the service's own, else empty

    public function __construct($status, $body, $error)
    {
        $good = $status >= 200 && $status < 300;
        $answer = json_decode((string) $body, true);
        $this->status = $status;
        $this->taken = $good && self::isFromService($answer);
        $this->data = $this->taken ? $answer : array();
        $this->refused = $good ? !$this->taken
            : $status >= 300 && $status < 500 && $status !== 408 && $status !== 429;
        $this->message = $this->taken ? '' : self::explain($status, $answer, $error);
    }

    /** Any web server may answer 200 to anything: only the service's own word says that it has it. */
    private static function isFromService($answer)
    {
        return is_array($answer) && isset($answer['service']) && $answer['service'] === WooSyncRules::SERVICE;
    }

    private static function explain($status, $problem, $error)
    {
        if (!$status) {
            return 'The service gave no answer: ' . ($error ?: 'no reason known');
        }
        if ($status < 300) {
            return "Something answered HTTP $status, but it is not woo-vtiger: correct the address.";
        }
        if ($status < 400) {
            return "The service redirects (HTTP $status); set the address that it answers at itself.";
        }
        $detail = is_array($problem) && isset($problem['detail']) ? $problem['detail'] : '';
        $guess = $status < 500 ? 'is this the address of woo-vtiger?' : 'it failed inside; it will be tried again.';
        $text = is_string($detail) && $detail !== '' ? $detail : $guess;
        return "The service answered HTTP $status: " . substr($text, 0, 300);
    }
}
