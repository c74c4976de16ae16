<?php
// The totals of orders, one of each line of standard input: {"element", "carried", "prices"} as JSON.
// Usage: php totals.php <folder of the add-on>

require_once $argv[1] . '/modules/WooSync/WooSyncOrderTotals.php';
while (($line = fgets(STDIN)) !== false) {
    $order = json_decode($line, true);
    try {
        echo json_encode(WooSyncOrderTotals::of($order['element'], $order['carried'], $order['prices'])), "\n";
    } catch (InvalidArgumentException $refusal) {
        echo json_encode(array('refused' => $refusal->getMessage())), "\n";
    }
}
