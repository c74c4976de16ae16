<?php
// The service's address as an admin types it, made into the one that takes hints.

class WooSyncAddress
{
    const PATH = '/callbacks/vtiger';

    /** Throws InvalidArgumentException with how to mend it; '' stays ''. */
    public static function complete($text)
    {
        $text = rtrim(trim((string) $text), '/');
        if ($text === '') {
            return '';
        }
        $parts = parse_url($text);
        $known = $parts && isset($parts['scheme'], $parts['host']);
        if (!$known || !in_array(strtolower($parts['scheme']), array('http', 'https'), true)) {
            throw new InvalidArgumentException('The address must start with https:// (or http://) and a host.');
        }
        if (isset($parts['user']) || isset($parts['query']) || isset($parts['fragment'])) {
            throw new InvalidArgumentException('The address must have no user, no ? and no # in it.');
        }
        if (preg_match('/[\x00-\x20\x7f"\'<>\\\\]/', $text)) {
            throw new InvalidArgumentException('The address holds a character that no address has.');
        }
        return substr($text, -strlen(self::PATH)) === self::PATH ? $text : $text . self::PATH;
    }
}
