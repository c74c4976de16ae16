<?php
// Moments as Vtiger shows them: in the user's zone and format, of today the time alone.

class WooSyncClock
{
    public static function show($seconds)
    {
        if (!$seconds) {
            return '';
        }
        list($day, $time) = self::parts($seconds);
        list($today) = self::parts(time());
        return $day === $today ? $time : "$day $time";
    }

    private static function parts($seconds)
    {
        $moment = new DateTime('@' . (int) $seconds);
        $moment->setTimezone(new DateTimeZone(DateTimeField::getDBTimeZone()));
        $field = new DateTimeField($moment->format('Y-m-d H:i:s'));
        return array($field->getDisplayDate(), self::time(substr($field->getDisplayTime(), 0, 5)));
    }

    private static function time($time)
    {
        $is12 = Users_Record_Model::getCurrentUserModel()->get('hour_format') === '12';
        return $is12 ? Vtiger_Time_UIType::getTimeValueInAMorPM("$time:00") : $time;
    }
}
