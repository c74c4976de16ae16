<?php
// Signed requests to the service.

class WooSyncClient
{
    private $config;

    public function __construct(WooSyncConfig $config)
    {
        $this->config = $config;
    }

    /** `path` comes after the address that takes changes; '' is that address itself. */
    public function post($path, $body, $timeoutMs)
    {
        $request = curl_init($this->config->get('url') . $path);
        curl_setopt_array($request, array(
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => $body,
            CURLOPT_HTTPHEADER => WooSyncSignature::headers($this->config->get('secret'), time(), $body),
            CURLOPT_USERAGENT => 'WooSync/' . WooSyncRules::VERSION,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_FOLLOWLOCATION => false,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_NOSIGNAL => true,
            CURLOPT_CONNECTTIMEOUT_MS => (int) ($timeoutMs / 2),
            CURLOPT_TIMEOUT_MS => $timeoutMs,
        ));
        $answer = curl_exec($request);
        $status = (int) curl_getinfo($request, CURLINFO_RESPONSE_CODE);
        $error = curl_error($request);
        curl_close($request);
        return new WooSyncAnswer($answer === false ? 0 : $status, $answer, $error);
    }
}
