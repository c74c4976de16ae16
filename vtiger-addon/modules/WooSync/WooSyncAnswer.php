<?php
// What the service answered: taken, refused (a person has to mend something), or not to be reached.

class WooSyncAnswer
{
    public $taken;
    public $refused;
    public $message;

    public function __construct($status, $body, $error)
    {
        $good = $status >= 200 && $status < 300;
        $this->taken = $good && self::isFromService($body);
        $this->refused = $good ? !$this->taken
            : $status >= 300 && $status < 500 && $status !== 408 && $status !== 429;
        $this->message = $this->taken ? '' : self::explain($status, $body, $error);
    }

    /** Any web server may answer 200 to anything: only the service's own word says that it has it. */
    private static function isFromService($body)
    {
        $answer = json_decode((string) $body, true);
        return is_array($answer) && isset($answer['service']) && $answer['service'] === WooSyncRules::SERVICE;
    }

    private static function explain($status, $body, $error)
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
        $problem = json_decode((string) $body, true);
        $detail = is_array($problem) && isset($problem['detail']) ? $problem['detail'] : '';
        $guess = $status < 500 ? 'is this the address of woo-vtiger?' : 'it failed inside; it will be tried again.';
        $text = is_string($detail) && $detail !== '' ? $detail : $guess;
        return "The service answered HTTP $status: " . substr($text, 0, 300);
    }
}
