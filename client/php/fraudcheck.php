<?php

declare(strict_types=1);

namespace Fraudcheck;

/** What is to be done with an attempt, and who said so. */
final class Result
{
    /** @param array<int, string> $reasons the rules that decided
     *  @param array<int, array<string, mixed>> $rules what each rule found */
    public function __construct(
        public string $decision,      // allow, review or block
        public string $source,        // service, or failed_open: the client's policy, without an answer
        public string $cause,         // of failed_open: timeout, connection, unavailable, fault or answer
        public string $attemptId,     // send it with the outcome
        public array $reasons = [],
        public array $rules = [],
        public bool $degraded = false // the service decided without its shared store
    ) {
    }
}

/** A check without an answer, with the policy error. It says nothing of the attempt. */
final class Failure extends \RuntimeException
{
    public function __construct(public string $cause, public string $attemptId)
    {
        parent::__construct("fraudcheck: no answer: $cause");
    }
}

/**
 * Asks a fraudcheck service before a card is charged.
 *
 * A check takes 100 ms at most. It is sent again once, with the same attempt_id, where the
 * connection was refused or broke in the first 60 ms; never after a time-out or an answer.
 *
 * PHP has no background: outcomes wait until the script ends and the page has been sent
 * (fastcgi_finish_request), or until flush(). What cannot be delivered goes to $onUndelivered.
 */
final class Client
{
    private const MAX_ANSWER = 65536;  // bytes
    // What the shopper types or brings along, and how many characters the service takes of it.
    private const TYPED = ['email' => 256, 'device' => 256, 'cart' => 256, 'account' => 256, 'attempt_id' => 128];
    // As UTF-8: with escapes, long texts would pass the 8 KiB that the service takes. What is no text is replaced.
    private const AS_JSON = JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR;
    private const MAX_QUEUED = 1000;   // outcomes; the oldest make room
    private const OUTCOMES_MS = 2000;  // all deliveries of one flush
    // The connection was refused, or ended early: CURLE_COULDNT_CONNECT, PARTIAL_FILE, SSL_CONNECT_ERROR,
    // GOT_NOTHING, SEND_ERROR, RECV_ERROR; SEND_FAIL_REWIND: curl would have sent it again by itself.
    private const BROKEN = [7, 18, 35, 52, 55, 56, 65];
    private const BAD_CERTIFICATE = [51, 60];

    private ?\CurlHandle $curl = null;
    private string $base;
    private string $socket = '';
    private string $answer = '';
    /** @var array<int, array<string, mixed>> */
    private array $queue = [];
    private bool $atEnd = false;
    /** @var array<string, int> */
    private array $counters = ['checks' => 0, 'answered' => 0, 'failed_open' => 0, 'retries' => 0, 'faults' => 0,
        'outcomes_delivered' => 0, 'outcomes_dropped' => 0, 'outcomes_waiting' => 0];

    /**
     * @param string $url http://host:port, https://host:port (verified), or unix:/path of the socket
     * @param string|\Closure $token a bearer token in place of a user, or what returns one
     * @param string $onFailure what a check without an answer returns: allow or review; or error, which throws Failure
     * @param ?callable $onFault called with [path, status, code, field, request_id] when the integration is wrong, such
     *     as a wrong password: until that is mended nothing is checked. It must return at once. Default: error_log
     * @param ?callable $onUndelivered called as the script ends with the outcomes that could not be delivered, for
     *     outcome() at another time; they hold card data. Default: they are lost, and error_log says how many
     * @param int $timeout of a check, in milliseconds
     * @param string $caFile roots to verify https with, in place of the system's
     */
    public function __construct(
        string $url,
        private string $username = '',
        #[\SensitiveParameter] private string $password = '',
        #[\SensitiveParameter] private $token = '',
        private string $onFailure = 'allow',
        private $onFault = null,
        private $onUndelivered = null,
        private int $timeout = 100,
        private string $caFile = ''
    ) {
        if (!extension_loaded('curl')) { // said here, not by the first payment
            throw new \RuntimeException("fraudcheck: PHP's curl extension is missing; on Debian: apt-get install php-curl");
        }
        if (!in_array($onFailure, ['allow', 'review', 'error'], true)) {
            throw new \InvalidArgumentException('fraudcheck: onFailure: expected allow, review or error');
        }
        if (str_starts_with($url, 'unix:')) {
            [$url, $this->socket] = ['http://localhost', substr($url, 5)];
        }
        if (!preg_match('~^https?://[^\s/@?#]+[^\s@?#]*$~', $url)) {
            throw new \InvalidArgumentException('fraudcheck: url: expected http://host:port, https://host:port or unix:/path, without credentials');
        }
        $this->base = rtrim($url, '/');
    }

    /**
     * Asks about an attempt: ip, last4, exp_month, exp_year, ... as in the service's documentation.
     *
     * @param array<string, mixed> $attempt
     */
    public function check(#[\SensitiveParameter] array $attempt): Result
    {
        $attempt = self::acceptable($attempt);
        $this->counters['checks']++;
        [$cause, $answer] = $this->exchange('/v1/check', $attempt, $this->timeout, 200);
        $result = $cause === '' ? self::read($answer, $attempt['attempt_id']) : null;
        if ($result !== null) {
            $this->counters['answered']++;
            return $result;
        }
        $cause = $cause ?: 'answer';
        $this->counters['failed_open']++;
        if ($this->onFailure === 'error') {
            throw new Failure($cause, $attempt['attempt_id']);
        }
        return new Result($this->onFailure, 'failed_open', $cause, $attempt['attempt_id']);
    }

    /**
     * Takes what the issuer answered, for delivery after the page: the attempt with the attempt_id of its Result,
     * outcome (approved, declined or error) and, with declined, reason.
     *
     * @param array<string, mixed> $outcome
     */
    public function outcome(#[\SensitiveParameter] array $outcome): void
    {
        $this->queue[] = ['now' => gmdate('Y-m-d\TH:i:s\Z'), 'outcome' => self::acceptable($outcome)];
        if (count($this->queue) > self::MAX_QUEUED) {
            array_shift($this->queue);
            $this->counters['outcomes_dropped']++;
        }
        if (!$this->atEnd) {
            $this->atEnd = true;
            // Registered by the first, the second function runs after those of everybody else.
            register_shutdown_function(fn () => register_shutdown_function(fn () => $this->end()));
        }
    }

    /** Delivers the outcomes that wait, for 2 s at most, and stops at the first that fails: it waits for the next flush. */
    public function flush(): void
    {
        $begin = hrtime(true);
        while ($this->queue && ($left = self::OUTCOMES_MS - self::since($begin)) > 0) {
            [$cause] = $this->exchange('/v1/outcomes', $this->queue[0]['outcome'], $left, 202);
            if ($cause !== '' && $cause !== 'fault') {
                break;
            }
            array_shift($this->queue);
            $this->counters[$cause === '' ? 'outcomes_delivered' : 'outcomes_dropped']++;
        }
        foreach ($this->queue as &$late) {
            // Delivered late, it still counts from when the issuer answered.
            $late['outcome'] += ['at' => $late['now']];
        }
    }

    /** @return array<string, int> numbers since the client was made */
    public function counters(): array
    {
        return ['outcomes_waiting' => count($this->queue)] + $this->counters;
    }

    /** @return array<string, int> what var_dump shows: no password, and nothing of the shopper */
    public function __debugInfo(): array
    {
        return $this->counters();
    }

    /** Sends the page, so that the shopper does not wait, and delivers. */
    private function end(): void
    {
        if ($this->queue && function_exists('fastcgi_finish_request')) {
            session_status() === PHP_SESSION_ACTIVE && session_write_close(); // or the shopper's next page waits for its lock
            fastcgi_finish_request();
        }
        $this->flush();
        if ($this->queue && $this->onUndelivered !== null) {
            ($this->onUndelivered)(array_column($this->queue, 'outcome'));
        } elseif ($this->queue) {
            error_log('fraudcheck: outcomes that could not be delivered: ' . count($this->queue));
            $this->counters['outcomes_dropped'] += count($this->queue);
        }
        $this->queue = [];
    }

    /**
     * Posts the fields, a second time where the connection broke early.
     *
     * @return array{string, string} the cause, '' with an answer of the status expected; and that
     */
    private function exchange(string $path, #[\SensitiveParameter] array $fields, int $ms, int $expected): array
    {
        $begin = hrtime(true);
        [$error, $status] = $this->post($path, $fields, $ms);
        if (in_array($error, self::BROKEN, true) && self::since($begin) < $ms * 0.6) {
            $this->counters['retries']++;
            [$error, $status] = $this->post($path, $fields, $ms - self::since($begin));
        }
        if (in_array($error, self::BAD_CERTIFICATE, true)) {
            return $this->fault($path, 0, ['code' => 'certificate']);
        }
        if ($error !== 0) {
            return [in_array($error, [...self::BROKEN, CURLE_COULDNT_RESOLVE_HOST], true) ? 'connection' : ($error === CURLE_OPERATION_TIMEOUTED ? 'timeout' : 'answer'), ''];
        }
        if ($status === $expected) {
            return ['', $this->answer];
        }
        if ($status === 408 || $status === 429 || $status >= 500) {
            return ['unavailable', ''];
        }
        return $status >= 300 ? $this->fault($path, $status, json_decode($this->answer, true)) : ['answer', ''];
    }

    /** @return array{int, int} curl's error and the status; the body is in $this->answer */
    private function post(string $path, #[\SensitiveParameter] array $fields, int $ms): array
    {
        $body = (string) json_encode($fields, self::AS_JSON);
        $token = $this->token instanceof \Closure ? ($this->token)() : $this->token;
        $credentials = $token !== '' ? 'Bearer ' . preg_replace('/[^!-~]/', '', $token) : 'Basic ' . base64_encode("$this->username:$this->password");
        $this->curl ??= curl_init();
        [$this->answer, $head, $line] = ['', 0, ''];
        curl_setopt_array($this->curl, [
            CURLOPT_URL => $this->base . $path,
            CURLOPT_UPLOAD => true, // read by a function, the body is one that curl cannot send again by itself
            CURLOPT_CUSTOMREQUEST => 'POST',
            CURLOPT_INFILESIZE => strlen($body),
            CURLOPT_READFUNCTION => function ($curl, $file, int $most) use (&$body): string {
                [$part, $body] = [substr($body, 0, $most), substr($body, $most)];
                return $part;
            },
            CURLOPT_HTTPHEADER => ['Content-Type: application/json', "Authorization: $credentials", 'Expect:'],
            CURLOPT_TIMEOUT_MS => max(1, $ms),
            CURLOPT_NOSIGNAL => true, // time-outs below a second need it
            CURLOPT_MAXAGE_CONN => 60, // the service closes after 75 s
            CURLOPT_PROXY => '', // the service is near, and a shopper's data is not for a proxy of the environment
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_HEADERFUNCTION => function ($curl, string $next) use (&$head, &$line): int {
                $line = $next;
                return ($head += strlen($line)) <= self::MAX_ANSWER ? strlen($line) : 0;
            },
            CURLOPT_WRITEFUNCTION => function ($curl, string $part): int {
                $this->answer .= $part;
                return strlen($this->answer) <= self::MAX_ANSWER ? strlen($part) : 0;
            },
        ] + ($this->socket !== '' ? [CURLOPT_UNIX_SOCKET_PATH => $this->socket] : [])
          + ($this->caFile !== '' ? [CURLOPT_CAINFO => $this->caFile] : [])
          + (defined('CURLOPT_QUICK_EXIT') ? [CURLOPT_QUICK_EXIT => true] : [])); // does not wait for a slow resolver
        curl_exec($this->curl);
        $error = curl_errno($this->curl);
        // curl takes a header that breaks off for a whole one: the empty line after it is missing.
        return [$error === 0 && rtrim($line) !== '' ? CURLE_GOT_NOTHING : $error, curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE)];
    }

    /** @return array{string, string} */
    private function fault(string $path, int $status, mixed $problem): array
    {
        $this->counters['faults']++;
        // What does not look like the service's own is not shown: it might repeat what the shopper typed.
        $shown = fn (string $name, string $form): string => is_array($problem) && is_string($problem[$name] ?? null) && preg_match($form, $problem[$name]) ? $problem[$name] : '';
        $fault = ['path' => $path, 'status' => $status, 'code' => $shown('code', '/^[a-z_]{1,40}$/D'),
            'field' => $shown('field', '/^[a-z_]{1,20}[0-9]?$/D'), 'request_id' => $shown('request_id', '/^[0-9A-Z]{26}$/D')];
        try {
            $this->onFault !== null ? ($this->onFault)($fault) : error_log('fraudcheck: this integration is wrong, nothing is checked: ' . json_encode($fault));
        } catch (\Throwable) { // the hook's fault is not the shopper's
        }
        return ['fault', ''];
    }

    /** Fields that it does not know are passed over; a decision that it does not know is no answer: null. */
    private static function read(string $answer, string $attemptId): ?Result
    {
        $a = json_decode($answer);
        $isList = fn (string $name, callable $type): bool => !property_exists($a, $name) || is_array($a->$name) && array_filter($a->$name, $type) === $a->$name;
        if (!is_object($a) || !in_array($a->decision ?? null, ['allow', 'review', 'block'], true)
            || !$isList('reasons', 'is_string') || !$isList('rules', 'is_object') || !is_bool(property_exists($a, 'degraded') ? $a->degraded : false)) {
            return null;
        }
        return new Result($a->decision, 'service', '', $attemptId, $a->reasons ?? [], array_map('get_object_vars', $a->rules ?? []), $a->degraded ?? false);
    }

    /** The fields with an attempt_id, and with what the shopper types made such that the service takes it: a shopper
     *  must not be able to prevent the check. All else is the shop's, and stays as it is. */
    private static function acceptable(#[\SensitiveParameter] array $fields): array
    {
        foreach (self::TYPED as $name => $limit) {
            $value = $fields[$name] ?? '';
            if (is_object($value) && !$value instanceof \stdClass) {
                continue; // no shopper's: let the service refuse it
            }
            $json = (string) json_encode($value, self::AS_JSON);
            $text = is_string($value) ? json_decode($json) : $json; // email[]=...
            unset($fields[$name]);
            // Text that remains does not consist of blanks; those behind it the service drops.
            if (preg_match($name === 'email' ? "/\\S.{0,255}/su" : "/.{1,$limit}/su", $text, $found)) {
                $fields[$name] = $found[0];
            }
        }
        return $fields + ['attempt_id' => bin2hex(random_bytes(16))];
    }

    /** Milliseconds since then. */
    private static function since(int $begin): int
    {
        return intdiv(hrtime(true) - $begin, 1_000_000);
    }
}
