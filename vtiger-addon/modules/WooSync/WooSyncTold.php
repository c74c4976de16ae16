<?php
// Values out of the service's answers, whatever they are: nothing that is shown is taken on trust.

class WooSyncTold
{
    /** The text under a name; '' where there is none. */
    public static function text($values, $name)
    {
        $value = is_array($values) && isset($values[$name]) ? $values[$name] : '';
        return is_scalar($value) ? (string) $value : '';
    }

    public static function number($values, $name)
    {
        return max(0, (int) self::text($values, $name));
    }

    /** The list or object under a name; empty where there is none. */
    public static function values($values, $name)
    {
        $value = is_array($values) && isset($values[$name]) ? $values[$name] : array();
        return is_array($value) ? $value : array();
    }

    /** An address that a link may lead to; '' for any other. */
    public static function link($values, $name)
    {
        $address = self::text($values, $name);
        return preg_match('~^https?://[^\s"\'<>\\\\]+$~iD', $address) ? $address : '';
    }

    /** Unix seconds of a time such as 2026-11-30T12:03:05.118245Z; 0 for what is none. */
    public static function moment($values, $name)
    {
        return (int) strtotime(self::text($values, $name));
    }
}
