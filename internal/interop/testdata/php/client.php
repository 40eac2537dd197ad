<?php
// Signs, asks for receipts and profiles with SoapClient and the served WSDL.
declare(strict_types=1);

set_error_handler(fn(int $level, string $text) => throw new ErrorException($text, 0, $level));
ini_set('soap.wsdl_cache_enabled', '0');
ini_set('default_socket_timeout', '100'); // longer than TimeOut

$url = getenv('SIGNUM_URL');
$context = stream_context_create(['ssl' => ['cafile' => getenv('SIGNUM_DIR') . '/server-ca.pem', 'local_cert' => 'party.pem']]);

function client(string $port): SoapClient
{
    global $url, $context;
    return new SoapClient("$url/soap/services/$port?wsdl", [
        'soap_version' => SOAP_1_2,
        'stream_context' => $context,
        'location' => "$url/soap/services/$port",
        'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
        'trace' => true,
    ]);
}

function head(string $major = '1', string $minor = '1'): array
{
    return [
        'MajorVersion' => $major,
        'MinorVersion' => $minor,
        'AP_Info' => [
            'AP_ID' => getenv('SIGNUM_AP_ID'),
            'AP_TransID' => 'T' . bin2hex(random_bytes(8)),
            'Instant' => gmdate('Y-m-d\TH:i:s\Z'),
        ],
        'MSSP_Info' => ['MSSP_ID' => ['URI' => 'http://mid.swisscom.ch/']],
    ];
}

function service(string $uri, array $with = []): array
{
    return ['Description' => ['mssURI' => $uri]] + $with;
}

function signature(string $number, string $text, string $mode, string $profile, array $services = []): array
{
    return head() + [
        'MessagingMode' => $mode,
        'TimeOut' => 80,
        'MobileUser' => ['MSISDN' => $number],
        'DataToBeSigned' => ['_' => getenv('SIGNUM_PREFIX') . $text, 'MimeType' => 'text/plain', 'Encoding' => 'UTF-8'],
        'SignatureProfile' => ['mssURI' => "http://mid.swisscom.ch/$profile"],
        'AdditionalServices' => ['Service' => array_merge(
            [service('http://mss.ficom.fi/TS102204/v1.0.0#userLang', ['UserLang' => 'en'])],
            $services,
        )],
    ];
}

function say(string $name, mixed $value): void
{
    echo "$name=$value\n";
}

function status(object $answer): string
{
    return $answer->Status->StatusCode->Value . ' ' . $answer->Status->StatusMessage;
}

$sim = getenv('SIGNUM_SIM');
$app = getenv('SIGNUM_APP');
$signatures = client('MSS_SignaturePort');

$signed = $signatures->MSS_Signature(signature($sim, 'Log in to example.com?', 'synch', 'STK-LoA4', [
    service('http://mid.swisscom.ch/as#geofencing'),
    service('http://mid.swisscom.ch/as#subscriberInfo'),
]));
say('sign.status', status($signed));
say('sign.profile', $signed->SignatureProfile->mssURI);
say('sign.signature', base64_encode($signed->MSS_Signature->Base64Signature));
[$geofencing, $subscriber] = $signed->Status->StatusDetail->ServiceResponses->ServiceResponse;
say('sign.country', $geofencing->GeoFencing->country);
$detail = $subscriber->SubscriberInfo->Detail[0];
say('sign.network', "$detail->id=$detail->value");

$receipts = client('MSS_ReceiptPort');
$receipt = $receipts->MSS_Receipt(head() + [
    'MSSP_TransID' => $signed->MSSP_TransID,
    'MobileUser' => ['MSISDN' => $sim],
    'Message' => ['_' => getenv('SIGNUM_PREFIX') . 'Thank you', 'MimeType' => 'text/plain', 'Encoding' => 'UTF-8'],
]);
say('receipt.status', status($receipt));
say('receipt.extension', isset($receipt->Status->StatusDetail) ? 'there' : 'none');

$asked = $signatures->MSS_Signature(signature($app, 'Zürich: 12.50 € & <more>?', 'asynch', 'Device-LoA4'));
say('async.status', status($asked));
$queries = client('MSS_StatusQueryPort');
do {
    usleep(50_000);
    $outcome = $queries->MSS_StatusQuery(head() + ['MSSP_TransID' => $asked->MSSP_TransID]);
} while ($outcome->Status->StatusCode->Value === 504);
say('async.outcome', status($outcome));
say('async.signature', base64_encode($outcome->MSS_Signature->Base64Signature));

$extended = $receipts->MSS_Receipt(head() + [
    'MSSP_TransID' => $asked->MSSP_TransID,
    'MobileUser' => ['MSISDN' => $app],
    'Status' => [
        'StatusCode' => ['Value' => 100],
        'StatusDetail' => ['ReceiptRequestExtension' => [
            'ReceiptMessagingMode' => 'synch',
            'UserAck' => true,
            'ReceiptProfile' => ['Language' => 'de', 'ReceiptProfileURI' => 'http://mss.swisscom.ch/synch'],
        ]],
    ],
    'Message' => ['_' => getenv('SIGNUM_PREFIX') . 'Danke', 'MimeType' => 'text/plain', 'Encoding' => 'UTF-8'],
]);
say('extended.status', status($extended));
$said = $extended->Status->StatusDetail->ReceiptResponseExtension;
say('extended.ack', $said->ReceiptMessagingMode . ' ' . var_export($said->UserAck, true));
say('extended.response', $said->UserResponse);

function profiles(object $answer): string
{
    $names = array_map(fn($p) => str_replace('http://mid.swisscom.ch/', '', $p->mssURI), $answer->SignatureProfile);
    sort($names);
    return implode(' ', $names);
}

$queries = client('MSS_ProfilePort');
$plain = $queries->MSS_ProfileQuery(head('2', '0') + ['MobileUser' => ['MSISDN' => $sim]]);
say('plain.status', status($plain));
say('plain.profiles', profiles($plain));
say('plain.extension', isset($plain->Status->StatusDetail) ? 'there' : 'none');

$profile = $queries->MSS_ProfileQuery(head('2', '0') + [
    'MobileUser' => ['MSISDN' => $sim],
    'Params' => ['sscds state certs pinstatus carddetails rcstatus aastatus'],
]);
$extension = $profile->Status->StatusDetail->ProfileQueryExtension;
$card = $extension->Sscds->Sim;
say('profile.sim', $card->State);
say('profile.blocked', var_export($card->PinStatus->blocked, true));
say('profile.recovery', var_export($extension->MobileUser->RecoveryCodeCreated, true));
$cert = $card->MobileUserCertificate[0];
say('profile.cert', "$cert->State $cert->Algorithm " . count($cert->X509Certificate));
say('profile.network', "{$card->CardDetails->MCC} {$card->CardDetails->MNC} {$card->CardDetails->Network}");

try {
    $signatures->MSS_Signature(signature('+41790000000', 'Anybody?', 'synch', 'STK-LoA4'));
} catch (SoapFault $fault) {
    // SoapClient keeps the code (Sender), but not the subcode.
    preg_match('/:_(\d{3})</', $signatures->__getLastResponse(), $subcode);
    say('fault.code', $subcode[1]);
    say('fault.reason', $fault->faultstring);
    say('fault.detail', $fault->detail->detail);
}
