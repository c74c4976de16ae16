<?php
// What Vtiger's pages ask the service: how a record stands, and the numbers of the Sync Log.

require_once __DIR__ . '/WooSyncState.php';

class WooSyncQuestions
{
    const TIMEOUT_MS = 2000;
    const PAUSE_SECONDS = 30;

    private $config;
    private $client;

    public function __construct(WooSyncConfig $config)
    {
        $this->config = $config;
        $this->client = new WooSyncClient($config);
    }

    /** `id` is the web service's, as 12x34. After a silence nobody waits again for half a minute. */
    public function status($id, $module)
    {
        if (WooSyncBreaker::isOpen($this->config->get('pages_pause_until'), time())) {
            return new WooSyncAnswer(0, '', 'it did not answer a moment ago');
        }
        $record = array('id' => $id, 'module' => $module);
        return $this->ask('/status', array('asks' => 'status', 'records' => array($record)));
    }

    public function summary()
    {
        return $this->ask('/summary', array('asks' => 'summary'));
    }

    private function ask($path, $question)
    {
        // The user's other requests wait for the session, so it must not wait for the service.
        if (session_status() === PHP_SESSION_ACTIVE) {
            session_write_close();
        }
        $answer = $this->client->post($path, json_encode($question), self::TIMEOUT_MS);
        if (!$answer->status) {
            $this->config->set(array('pages_pause_until' => time() + self::PAUSE_SECONDS));
        }
        if ($answer->status === 404) {
            $answer->message = 'The service is older than this add-on: update it.';
        }
        return $answer;
    }
}
