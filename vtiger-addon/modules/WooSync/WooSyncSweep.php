<?php
// From when on to look for changes that no event told of.

class WooSyncSweep
{
    const OVERLAP_SECONDS = 600;
    const TURN_SECONDS = 300;
    const STALE_SECONDS = 60;

    /**
     * By PHP's clock in Vtiger's zone, as modifiedtime is. Never later than the overlap before now:
     * when the clocks go back an hour, the last look seems to lie ahead.
     */
    public static function since($sweptTo, $now)
    {
        $latest = date('Y-m-d H:i:s', $now - self::OVERLAP_SECONDS);
        $swept = $sweptTo ? strtotime($sweptTo) : false;
        if ($swept === false) {
            return $latest;
        }
        return min($latest, date('Y-m-d H:i:s', $swept - self::OVERLAP_SECONDS));
    }

    /** Whether a look is due before changes are handed out; the cron task may not run here. */
    public static function isStale($sweptAt, $now)
    {
        return $now - (int) $sweptAt >= self::STALE_SECONDS;
    }
}
