<?php
// A log-in over REST. It needs PHP 8 with openssl, and nothing else.
declare(strict_types=1);

define('BOX', getenv('SIGNUM_SANDBOX'));
$sandbox = json_decode(file_get_contents(BOX . '/sandbox.json'), true);
const NUMBER = '+41791000001';
$text = $sandbox['dtbd_prefix'] . 'Log in to example.com?';

function post(string $path, array $body): array
{
    global $sandbox;
    $context = stream_context_create([
        'ssl' => ['cafile' => BOX . '/server-ca.pem', 'local_cert' => BOX . '/ap.crt', 'local_pk' => BOX . '/ap.key'],
        'http' => [
            'method' => 'POST', 'header' => 'Content-Type: application/json', 'content' => json_encode($body),
            'ignore_errors' => true, // HTTP 500 is a fault of the service, with a code
        ],
    ]);
    return json_decode(file_get_contents($sandbox['base_url'] . $path, false, $context), true);
}

function sign(string $number, string $text): array
{
    global $sandbox;
    $now = gmdate('Y-m-d\TH:i:s\Z');
    return post('/rest/service/sign', ['MSS_SignatureReq' => [
        'MajorVersion' => '1', 'MinorVersion' => '2', 'MessagingMode' => 'synch', 'TimeOut' => '80',
        'AP_Info' => ['AP_ID' => $sandbox['ap_id'], 'AP_PWD' => 'disabled', 'AP_TransID' => 'T' . bin2hex(random_bytes(16)), 'Instant' => $now],
        'MSSP_Info' => ['MSSP_ID' => ['URI' => 'http://mid.swisscom.ch/'], 'Instant' => $now],
        'MobileUser' => ['MSISDN' => $number],
        'SignatureProfile' => 'http://mid.swisscom.ch/Any-LoA4',
        'DataToBeSigned' => ['MimeType' => 'text/plain', 'Encoding' => 'UTF-8', 'Data' => $text],
        'AdditionalServices' => [['Description' => 'http://mss.ficom.fi/TS102204/v1.0.0#userLang', 'UserLang' => ['Value' => 'en']]],
    ]]);
}

function check(bool $ok, string $problem): void
{
    if (!$ok) {
        fwrite(STDERR, "$problem\n");
        exit(1);
    }
}

// The user approves. The command fails unless exactly this text was signed by a user of the sandbox.
$answer = sign(NUMBER, $text);
file_put_contents('login.b64', $answer['MSS_SignatureResp']['MSS_Signature']['Base64Signature'] ?? '');
exec('signum verify --text ' . escapeshellarg($text) . ' login.b64', $lines, $code);
check($code === 0, 'no good signature: ' . json_encode($answer));
echo "signed: $text\n";

// The user refuses.
post('/sandbox/phone', ['msisdn' => NUMBER, 'behaviour' => 'cancel']);
$answer = sign(NUMBER, $text);
post('/sandbox/phone', ['msisdn' => NUMBER, 'behaviour' => 'approve']);
check(($answer['Fault']['Code']['SubCode']['Value'] ?? '') === '_401', 'not refused: ' . json_encode($answer));
echo "refused: 401\n";
