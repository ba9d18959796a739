<?php
// Sends one push as PHP backends did it since 2009: stream_socket_client with ck.pem, certificate and key in one file.
// Runs on PHP 5.6 and later. `php push.php --help` says how.

const USAGE = <<<'TEXT'
usage: php push.php --token HEX [options]

  --token HEX         the device token (required)
  --host NAME         the gateway or the simulator       [127.0.0.1]
  --port N            its binary provider port           [22000]
  --cert FILE         certificate and key, PEM           [ck.pem]
  --passphrase TEXT   of the key, if it has one
  --ca FILE           the CA to trust, PEM               [ca.pem]
  --alert TEXT        what the phone is to show          [Hello from PHP]
  --command 0|1|2     simple, enhanced, framed           [2]
  --wait SECONDS      how long to wait for an error      [1]

Exit codes: 0 no error came, which is all the protocol says of success; 1 the push failed; 2 usage.

TEXT;

const IDENTIFIER = 0x0badcafe; // ours to choose; an error packet names it

const STATUSES = [
    0 => 'no errors', 1 => 'processing error: the server had trouble, send it again', 2 => 'missing device token',
    3 => 'missing topic', 4 => 'missing payload', 5 => 'invalid token size', 6 => 'invalid topic size',
    7 => 'invalid payload size',
    8 => 'invalid token: no phone has it for this app in this environment; delete it, and do not send to it again',
    10 => 'shutdown: the named notification was the last one sent', 128 => 'protocol error', 255 => 'unknown',
];

function stop($code, $line)
{
    fwrite(STDERR, "push.php: $line\n");
    exit($code);
}

function options(array $arguments)
{
    $options = [
        'token' => '', 'host' => '127.0.0.1', 'port' => '22000', 'cert' => 'ck.pem', 'passphrase' => '',
        'ca' => 'ca.pem', 'alert' => 'Hello from PHP', 'command' => '2', 'wait' => '1',
    ];
    while ($arguments) {
        $name = array_shift($arguments);
        if ($name === '--help' || $name === '-h') {
            echo USAGE;
            exit(0);
        }
        if (strncmp($name, '--', 2) !== 0 || !isset($options[substr($name, 2)])) {
            stop(2, "unknown option $name; --help lists them");
        }
        if (!$arguments) {
            stop(2, "$name wants a value");
        }
        $options[substr($name, 2)] = array_shift($arguments);
    }
    if (!preg_match('/^([0-9a-f]{2})+$/i', $options['token'])) {
        stop(2, 'give the device token with --token, in hexadecimal; the simulator prints it when a phone registers');
    }
    if (!in_array($options['command'], ['0', '1', '2'], true)) {
        stop(2, '--command is 0, 1 or 2');
    }
    if (!is_numeric($options['wait'])) {
        stop(2, '--wait is a number of seconds');
    }
    foreach (['cert', 'ca'] as $file) {
        if (!is_readable($options[$file])) {
            stop(2, "cannot read {$options[$file]}: name another file with --$file");
        }
    }
    return $options;
}

// One notification; n is 2 bytes, N is 4, both big-endian.
function frame($command, $token, $payload)
{
    $expiry = time() + 3600;
    $simple = pack('n', strlen($token)) . $token . pack('n', strlen($payload)) . $payload;
    if ($command === '0') {
        return "\x00" . $simple;
    }
    if ($command === '1') {
        return "\x01" . pack('NN', IDENTIFIER, $expiry) . $simple;
    }
    $items = pack('Cn', 1, strlen($token)) . $token
        . pack('Cn', 2, strlen($payload)) . $payload
        . pack('CnN', 3, 4, IDENTIFIER)
        . pack('CnN', 4, 4, $expiry)
        . pack('CnC', 5, 1, 10); // at once
    return "\x02" . pack('N', strlen($items)) . $items;
}

function connect(array $options)
{
    $ssl = [
        'local_cert' => $options['cert'],
        'cafile' => $options['ca'],
        'verify_peer' => true,
        'verify_peer_name' => true,
        'peer_name' => $options['host'],
    ];
    if ($options['passphrase'] !== '') {
        $ssl['passphrase'] = $options['passphrase'];
    }
    $warnings = [];
    set_error_handler(function ($level, $message) use (&$warnings) {
        $warnings[] = preg_replace('/^stream_socket_client\(\): (Unable to connect to \S+ )?/', '', strtr($message, "\n", ' '));
        return true;
    });
    $address = "tls://{$options['host']}:{$options['port']}";
    $context = stream_context_create(['ssl' => $ssl]);
    $stream = stream_socket_client($address, $number, $reason, 10, STREAM_CLIENT_CONNECT, $context);
    restore_error_handler();
    if (!$stream) {
        stop(1, "no connection to $address: " . trim($warnings ? $warnings[0] : $reason) . hint(implode(' ', $warnings)));
    }
    return $stream;
}

// What OpenSSL's words mean here.
function hint($warnings)
{
    $hints = [
        'Unable to set' => '; is the certificate in the file, and the key, and is the passphrase right? '
            . '`apns-certs inspect` says what is in it',
        'certificate verify failed' => '; the server\'s certificate is not from the CA in --ca, or not for --host',
        'alert certificate revoked' => '; the certificate is for the other environment (sandbox or production), or revoked',
        'alert certificate expired' => '; the push certificate has expired: issue a new one',
        'alert certificate unknown' => '; the server takes no push certificates, or this is none: is --port its binary provider port?',
        'alert unknown ca' => '; the server does not trust the CA that issued the push certificate',
        'Connection refused' => '; does the simulator or the gateway run there?',
    ];
    foreach ($hints as $words => $hint) {
        if (stripos($warnings, $words) !== false) {
            return $hint;
        }
    }
    return '';
}

// Up to six bytes, and whether the server has closed.
function answer($stream, $wait)
{
    $bytes = '';
    $end = microtime(true) + $wait;
    while (strlen($bytes) < 6 && !feof($stream) && ($left = $end - microtime(true)) > 0) {
        stream_set_timeout($stream, (int) $left, (int) (fmod($left, 1) * 1000000));
        $bytes .= (string) fread($stream, 6 - strlen($bytes));
    }
    return [$bytes, feof($stream)];
}

$options = options(array_slice($argv, 1));
$stream = connect($options);
$payload = json_encode(['aps' => ['alert' => $options['alert'], 'sound' => 'default']]);
$frame = frame($options['command'], hex2bin($options['token']), $payload);
if (fwrite($stream, $frame) !== strlen($frame)) {
    stop(1, 'the connection broke before the push was written');
}
list($bytes, $closed) = answer($stream, (float) $options['wait']);
fclose($stream);

if (strlen($bytes) === 6 && $bytes[0] === "\x08") {
    $packet = unpack('Ccommand/Cstatus/Nidentifier', $bytes);
    $means = isset(STATUSES[$packet['status']]) ? STATUSES[$packet['status']] : 'nobody has assigned it';
    stop(1, sprintf('error packet: status %d (%s), identifier 0x%08x', $packet['status'], $means, $packet['identifier']));
}
if ($closed) {
    stop(1, $options['command'] === '0'
        ? 'refused: the server closed the connection, which is all it says to command 0; try --command 2'
        : 'the server closed the connection without an error packet: the push may be lost, send it again');
}
if ($bytes !== '') {
    stop(1, 'not an answer of this protocol: ' . bin2hex($bytes));
}
echo "sent; no error within {$options['wait']} s\n";
