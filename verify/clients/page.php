<?php
// A page of a shop under PHP-FPM, whose end is what this shows: URL PASSWORD.
require __DIR__ . '/../../client/php/fraudcheck.php';

if (!function_exists('fastcgi_finish_request')) {
    function fastcgi_finish_request(): void
    {
        echo "page sent\n";
    }
}
$client = new Fraudcheck\Client($argv[1], 'checkout', $argv[2], timeout: 10000, onUndelivered: function (array $outcomes) {
    foreach ($outcomes as $o) {
        echo 'undelivered ', $o['attempt_id'], ' ', isset($o['at']) ? 'with its time' : '', "\n";
    }
});
$client->outcome(['ip' => '203.0.113.7', 'card_id' => 'card-1', 'attempt_id' => 'order-1', 'outcome' => 'declined']);
$client->outcome(['ip' => '203.0.113.7', 'card_id' => 'card-2', 'attempt_id' => 'order-2', 'outcome' => 'declined']);
register_shutdown_function(function () {
    echo "somebody else's end\n";
});
var_dump($client);
echo "page\n";
