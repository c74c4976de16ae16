<?php
// What both files of checks compare with: one line for each failure, and how many there were.

$checked = 0;
$failed = 0;

function same($name, $wanted, $found)
{
    global $checked, $failed;
    $checked++;
    if ($wanted !== $found) {
        $failed++;
        echo "$name: wanted ", var_export($wanted, true), ', found ', var_export($found, true), "\n";
    }
}
