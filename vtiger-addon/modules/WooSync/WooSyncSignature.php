<?php
// Signs a request so that the service knows whose it is and how old it is.

class WooSyncSignature
{
    public static function of($secret, $timestamp, $body)
    {
        return 'sha256=' . hash_hmac('sha256', $timestamp . '.' . $body, $secret);
    }

    public static function headers($secret, $timestamp, $body)
    {
        return array(
            'Content-Type: application/json',
            'X-WooSync-Timestamp: ' . $timestamp,
            'X-WooSync-Signature: ' . self::of($secret, $timestamp, $body),
        );
    }
}
