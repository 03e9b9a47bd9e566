<?php
// Does what the lines of standard input say with our PHP client; shop.py says how.
require __DIR__ . '/../../client/php/fraudcheck.php';

$faults = [];
while (($line = fgets(STDIN)) !== false) {
    $command = json_decode($line, true);
    foreach ($command['bytes'] ?? [] as $name => $digits) {
        $command['fields'][$name] = hex2bin($digits);
    }
    $answer = [];
    $begin = hrtime(true);
    switch ($command['do']) {
        case 'new':
            ['url' => $url, 'password' => $password, 'policy' => $policy, 'ms' => $ms] = $command['options'];
            $client = new Fraudcheck\Client($url, 'checkout', $password, onFailure: $policy, timeout: $ms, caFile: $command['options']['ca'] ?? '',
                onFault: function (array $fault) use (&$faults) { $faults[] = $fault; });
            break;
        case 'check':
            try {
                $r = $client->check($command['fields']);
                $answer = ['decision' => $r->decision, 'source' => $r->source, 'cause' => $r->cause, 'attempt_id' => $r->attemptId];
            } catch (Fraudcheck\Failure $e) {
                $answer = ['failure' => (string) $e, 'cause' => $e->cause]; // with its trace
            }
            break;
        case 'outcome': $client->outcome($command['fields']); break;
        case 'counters':
            $client->flush(); // what the others do in the background
            $answer = ['counters' => $client->counters()];
            break;
        case 'faults': $answer = ['faults' => $faults]; break;
        case 'close': $client->flush(); break;
        case 'sleep': usleep(1000 * $command['ms']); break;
    }
    echo json_encode($answer + ['ms' => (hrtime(true) - $begin) / 1e6]), "\n";
}
