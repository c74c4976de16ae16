<?php
// The text of one request: which records changed, by the ids that the web service knows.

class WooSyncBatch
{
    /** `prefixes` has the web service's number of each module and of Users. */
    public static function body($rows, $prefixes, $installation)
    {
        $changes = array();
        foreach ($rows as $row) {
            $changes[] = array(
                'sequence' => (int) $row['seq'],
                'id' => self::id($prefixes, $row['module'], $row['crmid']),
                'module' => $row['module'],
                'event' => $row['event'],
                'modifiedtime' => $row['modifiedtime'],
                'user_id' => self::id($prefixes, 'Users', $row['user_id']),
            );
        }
        return json_encode(array(
            'installation' => $installation,
            'version' => WooSyncRules::VERSION,
            'changes' => $changes,
        ));
    }

    /** `12x34`; null where there is no such module or number. */
    public static function id($prefixes, $module, $number)
    {
        return isset($prefixes[$module]) && (int) $number ? $prefixes[$module] . 'x' . (int) $number : null;
    }
}
