<?php
// Keeps saves from waiting for a service that is down: after a failure they leave it alone.

class WooSyncBreaker
{
    const FIRST_SECONDS = 60;
    const MOST_SECONDS = 3600;

    /** The state after one more failure: when to try again, and how many there were. */
    public static function failed($failures, $now)
    {
        $failures = (int) $failures + 1;
        $seconds = min(self::MOST_SECONDS, self::FIRST_SECONDS * pow(2, min($failures, 10) - 1));
        return array('down_until' => $now + $seconds, 'failures' => $failures);
    }

    public static function closed()
    {
        return array('down_until' => 0, 'failures' => 0);
    }

    public static function isOpen($downUntil, $now)
    {
        return (int) $downUntil > $now;
    }
}
