<?php
// What is told of, and how: rules that need no Vtiger and no database.

class WooSyncRules
{
    const VERSION = '2.0.0';
    const ABILITIES = array('save', 'read'); // operations beside woosync_changes
    const SERVICE = 'woo-vtiger'; // how the service names itself in its answers
    const MODULES = array('Contacts', 'Accounts', 'Products', 'Services', 'SalesOrder');
    const EVENTS = array(
        'vtiger.entity.aftersave.final',
        'vtiger.entity.afterdelete',
        'vtiger.entity.afterrestore',
    );
    const KEEP_SECONDS = 2592000; // 30 days

    /** What happened, or null for an event that is not told. */
    public static function event($eventName, $isNew)
    {
        if ($eventName === 'vtiger.entity.afterdelete') {
            return 'deleted';
        }
        if ($eventName === 'vtiger.entity.afterrestore') {
            return 'restored';
        }
        if ($eventName === 'vtiger.entity.aftersave.final') {
            return $isNew ? 'created' : 'updated';
        }
        return null;
    }

    /** Whether a save made the record: an order has its id before it is saved, its delta tells. */
    public static function isNew($data)
    {
        if ($data->isNew()) {
            return true;
        }
        $focus = isset($data->focus) ? $data->focus : null;
        return is_object($focus) && isset($focus->newDelta) && $focus->newDelta === true;
    }

    /** Who acts. The global current user is the workflow's after a field update, so it comes last. */
    public static function actingUser($session, $currentUser)
    {
        foreach (array('authenticatedUserId', 'authenticated_user_id') as $name) {
            if (!empty($session[$name])) {
                return (int) $session[$name];
            }
        }
        return isset($currentUser->id) ? (int) $currentUser->id : 0;
    }

    /** The known modules among those named, in the usual order. */
    public static function modules($named)
    {
        return array_values(array_intersect(self::MODULES, (array) $named));
    }

    /** Seconds until a refused row is tried again. */
    public static function delay($attempts)
    {
        return min(3600, 30 * pow(2, min((int) $attempts, 10)));
    }

    /** A number of rows between 1 and 1000; Vtiger hands over a missing one as ''. */
    public static function limit($given)
    {
        return $given === '' || $given === null ? 100 : max(1, min(1000, (int) $given));
    }

    /** Why this add-on cannot work here; '' if it can. */
    public static function objection($vtigerVersion, $phpVersion, $hasCurl)
    {
        if (!preg_match('/^8\./', (string) $vtigerVersion)) {
            return "This is Vtiger $vtigerVersion; WooSync needs Vtiger 8 (it was made for 8.0 to 8.4).";
        }
        if (version_compare($phpVersion, '7.2.0', '<')) {
            return "This is PHP $phpVersion; WooSync needs PHP 7.2 or newer.";
        }
        return $hasCurl ? '' : 'PHP has no curl extension here; install php-curl.';
    }
}
