<?php
// A shop with one route, which asks fraudcheck before it charges.
require __DIR__ . '/../../client/php/fraudcheck.php';
require __DIR__ . '/../address/address.php';

$checks = new Fraudcheck\Client(
    getenv('CHECK_URL'), 'checkout', getenv('CHECK_PASSWORD'),
    onFault: fn (...$fault) => error_log('wake an engineer: ' . json_encode($fault))
);
// One proxy, nginx on this machine. With PHP-FPM: [], as nginx passes on the address that it saw.
$ip = shopper_address($_SERVER['REMOTE_ADDR'], $_SERVER['HTTP_X_FORWARDED_FOR'] ?? '', [['127.0.0.1', '::1']]);

// The decline codes of your payment provider; what is missing is reported as other.
const REASONS = ['incorrect_number' => 'invalid_number', 'incorrect_cvc' => 'invalid_credentials', 'insufficient_funds' => 'insufficient_funds'];

// charge stands for your payment provider. It returns a decline code, or '' when it charged.
function charge(array $form, bool $threeDSecure): string
{
    return ['0002' => 'generic_decline', '0127' => 'incorrect_cvc'][$form['last4']] ?? '';
}

// What a shopper sends must not make the check fail: that would be a way around it.
const VALID = '~^\d{4} (0[1-9]|1[0-2])/\d\d [^\s@]{1,64}@[^\s@]{1,190}$~D';

function pay(Fraudcheck\Client $checks, array $form, string $ip): array
{
    $form = array_filter($form, 'is_string') + ['last4' => '', 'expiry' => '', 'email' => '']; // last4[]= is a list
    if (!preg_match(VALID, "$form[last4] $form[expiry] $form[email]")) {
        return [422, 'Please look at what you entered.'];
    }
    $attempt = ['ip' => $ip, 'last4' => $form['last4'], 'expiry' => $form['expiry'], 'email' => $form['email']];
    $result = $checks->check($attempt);
    if ($result->source !== 'service') {
        error_log("not checked: $result->cause");
    }
    if ($result->decision === 'block') {
        return [402, 'We cannot take this payment now. Please try again later, or pay another way.'];
    }
    $code = charge($form, threeDSecure: $result->decision === 'review');

    $outcome = ['attempt_id' => $result->attemptId, 'outcome' => $code ? 'declined' : 'approved'] + $attempt;
    if ($code) {
        $outcome['reason'] = REASONS[$code] ?? 'other';
    }
    $checks->outcome($outcome); // delivered when the page has been sent
    return $code ? [402, 'Your bank has declined this payment.'] : [200, 'Thank you!'];
}

$form = ($_SERVER['CONTENT_TYPE'] ?? '') === 'application/json' ? json_decode(file_get_contents('php://input'), true) : $_POST;
[$status, $text] = pay($checks, $form, $ip);
http_response_code($status);
echo $text, "\n";
