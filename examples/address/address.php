<?php
/**
 * Finds the shopper's IP address: $remote is $_SERVER['REMOTE_ADDR'], $forwarded is
 * $_SERVER['HTTP_X_FORWARDED_FOR'] ?? ''. $proxies are the proxies between the shopper and
 * PHP, nearest first: for each the networks that its requests come from, or 'unix:' for a
 * unix socket. A web server that passes its own REMOTE_ADDR on, over FastCGI, is none.
 *
 * Each proxy puts the address that it saw at the right end of the header; what is left of
 * that, anybody may have sent.
 */
function shopper_address(string $remote, string $forwarded, array $proxies): string
{
    if (array_filter($proxies, 'is_array') !== $proxies) {
        throw new TypeError("proxies is a list of lists, such as [['127.0.0.1', '::1']]");
    }
    $plain = '/^\[?(?:(?:::ffff:)?((?:\d+\.){3}\d+)|([\da-f:]+))\]?(?::\d+)?$/i'; // without port and brackets
    $hops = explode(',', ltrim("$forwarded," . ($remote ?: 'unix:'), ','));
    $hops = preg_replace($plain, '$1$2', array_map('trim', $hops));
    foreach ($proxies as $networks) {
        if (count($hops) < 2 || !address_within(end($hops), $networks)) {
            break;
        }
        array_pop($hops);
    }
    return end($hops);
}

function address_within(string $address, array $networks): bool
{
    if (in_array($address, $networks, true)) {
        return true;
    }
    $address = (string) @inet_pton($address);
    foreach ($networks as $network) {
        [$base, $bits] = explode('/', "$network/128");
        $base = (string) @inet_pton($base);
        $mask = str_repeat("\xff", $bits >> 3) . chr(0xff00 >> ($bits & 7)) . str_repeat("\0", 15);
        if ($address !== '' && strlen($address) === strlen($base) && ($address & $mask) === ($base & $mask)) {
            return true;
        }
    }
    return false;
}
