<?php
// Makes calls as a checkout does, and prints how many were answered 200.
//
//	client.php streams|curl URL USER PASSWORD CALLS
[, $library, $url, $user, $password, $calls] = $argv;
$card = ['last4' => '4242', 'exp_month' => 12, 'exp_year' => 2030];
$body = json_encode($card + (str_ends_with($url, '/check') ? ['ip' => '203.0.113.7'] : ['per' => 'card']));
$headers = ['Authorization: Basic ' . base64_encode("$user:$password")];
$reads = str_contains($url, '/addresses/');
if (!$reads) {
    $headers[] = 'Content-Type: application/json';
}
$good = 0;
if ($library === 'curl') {
    $curl = curl_init($url);
    $posted = [CURLOPT_POSTFIELDS => $body, CURLOPT_HTTPHEADER => [...$headers, 'Expect: 100-continue']];
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true] + ($reads ? [CURLOPT_HTTPHEADER => $headers] : $posted));
    for ($i = 0; $i < $calls; $i++) {
        curl_exec($curl);
        $good += curl_getinfo($curl, CURLINFO_RESPONSE_CODE) === 200;
    }
} else {
    for ($i = 0; $i < $calls; $i++) {
        $context = stream_context_create(['http' => ['header' => $headers, 'protocol_version' => $i % 2 ? '1.0' : '1.1']
            + ($reads ? [] : ['method' => 'POST', 'content' => $body])]);
        $good += file_get_contents($url, false, $context) !== false;
    }
}
echo $good, "\n";
