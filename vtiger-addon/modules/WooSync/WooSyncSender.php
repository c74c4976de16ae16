<?php
// Delivers what waits: after the response of a save within a second, from the cron task with patience.

class WooSyncSender
{
    const BATCH = 500;
    const SAVE_MS = 1000;
    const ASKED_MS = 2000;
    const CRON_MS = 10000;
    const CRON_SECONDS = 25;

    private $config;
    private $outbox;
    private $client;
    private static $planned = false;

    public function __construct(WooSyncConfig $config, WooSyncOutbox $outbox)
    {
        $this->config = $config;
        $this->outbox = $outbox;
        $this->client = new WooSyncClient($config);
    }

    /** Once a request, whatever it saves. `forced` is a caller who does not mind to wait. */
    public function planAfterResponse($forced = false)
    {
        if (self::$planned || !$this->config->isConfigured()) {
            return;
        }
        self::$planned = true;
        $folder = getcwd();
        register_shutdown_function(function () use ($folder, $forced) {
            try {
                chdir($folder); // some servers move to the root folder by now
                self::letGo();
                $this->afterResponse($forced);
            } catch (Throwable $failure) {
                error_log('WooSync: ' . $failure->getMessage());
            }
        });
    }

    /** The session must not wait for us, and where the server can, nor must the client. */
    private static function letGo()
    {
        if (session_status() === PHP_SESSION_ACTIVE) {
            session_write_close();
        }
        foreach (array('fastcgi_finish_request', 'litespeed_finish_request') as $finish) {
            if (function_exists($finish)) {
                $finish();
                return;
            }
        }
    }

    public function afterResponse($forced = false)
    {
        $now = time();
        $this->config->refresh();
        $downUntil = (int) $this->config->get('down_until');
        if (!$forced && WooSyncBreaker::isOpen($downUntil, $now)) {
            return;
        }
        $next = $now + WooSyncBreaker::FIRST_SECONDS;
        if (!$forced && $downUntil > 0 && !$this->config->take('down_until', $next, $downUntil, $downUntil)) {
            return; // another request tries whether the service is back
        }
        $this->sendOne(self::SAVE_MS);
    }

    /** All that waits, as far as time allows; how many rows were taken. */
    public function fromCron()
    {
        $sent = 0;
        $until = time() + self::CRON_SECONDS;
        while ($this->config->isConfigured() && time() < $until) {
            $count = $this->sendOne(self::CRON_MS);
            if ($count < 1) {
                break;
            }
            $sent += $count;
        }
        return $sent;
    }

    /** What waits, while a person looks on; what went wrong, '' if nothing did. */
    public function atOnce()
    {
        $isTold = $this->sendOne(self::ASKED_MS) >= 0;
        return $isTold ? '' : 'The service could not be told now. It is told as soon as it can be.';
    }

    /** How many rows were taken; 0 if nothing waits, -1 if it did not work. */
    private function sendOne($timeoutMs)
    {
        $rows = $this->outbox->claim(self::BATCH, time());
        if (!$rows) {
            return 0;
        }
        $installation = $this->config->get('installation');
        $body = WooSyncBatch::body($rows, $this->outbox->prefixes(), $installation);
        $answer = $this->client->post('', $body, $timeoutMs);
        if ($answer->taken) {
            $this->outbox->markSent($rows, time());
            $this->noteSuccess();
            return count($rows);
        }
        $this->noteFailure($answer);
        if ($answer->refused) {
            $this->outbox->postpone($rows, time() + WooSyncRules::delay($rows[0]['attempts']));
        } else {
            $this->outbox->release($rows);
        }
        return -1;
    }

    /** A signed request that names no record: whether address and secret are right. */
    public function test()
    {
        if (!$this->config->isConfigured()) {
            return 'Enter the address and the secret first, and save them.';
        }
        $body = WooSyncBatch::body(array(), array(), $this->config->get('installation'));
        $answer = $this->client->post('', $body, 5000);
        $answer->taken ? $this->noteSuccess() : $this->noteFailure($answer);
        return $answer->message;
    }

    private function noteSuccess()
    {
        $wasDown = (int) $this->config->get('failures') > 0 || (int) $this->config->get('down_until') > 0;
        $this->config->set(array('last_success' => time()) + ($wasDown ? WooSyncBreaker::closed() : array()));
        if ($wasDown) {
            $this->outbox->hurry();
        }
    }

    private function noteFailure(WooSyncAnswer $answer)
    {
        $this->config->set(WooSyncBreaker::failed($this->config->get('failures'), time()));
        $this->config->noteError($answer->message);
    }
}
