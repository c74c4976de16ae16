<?php
// The web service's operation woosync_read: whole records, by ids or by the time of their change.

require_once __DIR__ . '/WooSyncState.php';
require_once __DIR__ . '/WooSyncReader.php';

// Vtiger calls with named arguments: they are called as the operation's parameters are.
function woosync_read($module, $ids, $since, $after, $limit, $user)
{
    if (!is_admin($user)) {
        throw new WebServiceException(WebServiceErrorCode::$ACCESSDENIED, 'Only an administrator may call woosync_read');
    }
    try {
        session_write_close(); // other calls of this session need not wait
        return WooSyncRead::answer($module, $ids, $since, $after, $limit, $user);
    } catch (InvalidArgumentException $refusal) {
        throw new WebServiceException('INVALID_PARAMETERS', $refusal->getMessage());
    } catch (WebServiceException $refusal) {
        throw $refusal;
    } catch (Exception $failure) {
        error_log('WooSync: ' . $failure->getMessage());
        throw new WebServiceException(WebServiceErrorCode::$DATABASEQUERYERROR, 'The records cannot be read');
    }
}

class WooSyncRead
{
    const MOST = 100;

    public static function answer($module, $ids, $since, $after, $limit, $user)
    {
        self::demand(in_array($module, WooSyncRules::MODULES, true), 'module must be one of ' . implode(', ', WooSyncRules::MODULES));
        $reader = new WooSyncReader(PearDatabase::getInstance(), $user);
        $more = false;
        if ((string) $ids !== '') {
            $wanted = self::ids($ids);
        } else {
            self::demand(preg_match('/^([0-9]{4}(-[0-9]{2}){2} [0-9]{2}(:[0-9]{2}){2})?$/D', $since), 'since must be YYYY-MM-DD HH:MM:SS');
            self::demand(preg_match('/^([0-9]+x[0-9]+)?$/D', $after), 'after must be an id');
            $limit = max(1, min(self::MOST, $limit === '' ? self::MOST : (int) $limit));
            $found = $reader->changed($module, $since, $after === '' ? 0 : explode('x', $after)[1], $limit + 1);
            $more = count($found) > $limit;
            $wanted = array_slice($found, 0, $limit);
        }
        $records = $reader->records($module, $wanted);
        $there = array();
        $missing = array();
        foreach ($wanted as $id) {
            if (isset($records[$id])) {
                $there[] = $records[$id];
            } else {
                $missing[] = $id;
            }
        }
        return array('version' => WooSyncRules::VERSION, 'records' => $there, 'missing' => $missing, 'more' => $more);
    }

    private static function ids($text)
    {
        $ids = json_decode($text, true);
        $isList = is_array($ids) && ltrim($text)[0] === '[' && $ids === array_filter($ids, 'is_string');
        self::demand($isList && count($ids) <= self::MOST, 'ids must be a JSON list of at most ' . self::MOST . ' ids');
        return array_values(array_unique($ids));
    }

    private static function demand($isSo, $message)
    {
        if (!$isSo) {
            throw new InvalidArgumentException($message);
        }
    }
}
