//! Files that are something else, or cannot be read at all.

use std::path::Path;

use apns_certs::files::FILE_LEN_MAX;
use apns_certs::inspect::{Code, Report, Severity, Source};

use super::support::{Bench, ca, codes, find, look, look_at};

#[test]
fn files_that_are_something_else_are_called_by_their_name() {
    let utf16: Vec<u8> = "-----BEGIN CERTIFICATE-----\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let token = "740f4707 bebcf74f 9b7c25d4 8e335894 5f6aa01d a5ddb387 462c7eaf 61bb78ad";
    for (bytes, what, code) in [
        (&b""[..], "empty", Code::Empty),
        (b" \r\n\n", "empty", Code::Empty),
        (b"\n<!DOCTYPE html><html>", "a web page", Code::WebPage),
        (b"<?xml version=\"1.0\"?>", "a web page", Code::WebPage),
        (&utf16, "UTF-16 text", Code::Utf16),
        (
            &[&b"\xff\xfe"[..], &utf16].concat(),
            "UTF-16 text",
            Code::Utf16,
        ),
        (
            b"\xfe\xed\xfe\xed\0\0\0\x02",
            "a Java keystore",
            Code::JavaKeystore,
        ),
        (token.as_bytes(), "a device token", Code::DeviceToken),
        (
            format!("<{token}>\n").as_bytes(),
            "a device token",
            Code::DeviceToken,
        ),
        (b"hello", "nothing known here", Code::Unknown),
        (b"{\"a\": 1}", "nothing known here", Code::Unknown),
        (
            &[0x30, 0x03, 0x02, 0x01, 0xaa],
            "something unknown",
            Code::Unknown,
        ),
        (&[0xff; 40], "nothing known here", Code::Unknown),
    ] {
        let report = look("aps.cer", bytes);
        assert_eq!(report.files[0].what, what);
        assert_eq!(codes(&report), [code.as_str()]);
        assert_eq!(report.severity(), Severity::Error);
    }
}

#[test]
fn pkcs7_is_told_from_a_provisioning_profile() {
    let bench = Bench::new();
    bench.write("ca.pem", ca().cert_pem());
    bench.write("ca.key", ca().key_pem());
    bench.openssl("crl2pkcs7 -nocrl -certfile ca.pem -outform der -out chain.p7b");
    bench.write("profile.plist", "<?xml version=\"1.0\"?><plist></plist>");
    bench.openssl(
        "smime -sign -in profile.plist -signer ca.pem -inkey ca.key -outform der -nodetach -out App.mobileprovision",
    );
    let report = bench.look("chain.p7b");
    assert!(find(&report, Code::Pkcs7).commands[0].starts_with("openssl pkcs7 -inform der"));
    find(
        &bench.look("App.mobileprovision"),
        Code::ProvisioningProfile,
    );
}

#[test]
fn a_revocation_list_is_no_certificate() {
    let bench = Bench::new();
    bench.write("ca.pem", ca().cert_pem());
    bench.write("ca.key", ca().key_pem());
    bench.write("index", "");
    bench.write(
        "conf",
        "[ca]\ndefault_ca=x\n[x]\ndatabase=index\ndefault_md=sha256\ndefault_crl_days=1\n",
    );
    bench.openssl("ca -gencrl -config conf -cert ca.pem -keyfile ca.key -out crl.pem");
    bench.openssl("crl -in crl.pem -outform der -out crl.der");
    find(&bench.look("crl.pem"), Code::RevocationList);
    find(&bench.look("crl.der"), Code::RevocationList);
}

fn read(path: &Path) -> Report {
    look_at(&[Source::read(path)], None)
}

#[test]
fn what_is_not_there_and_what_is_no_file_is_said_and_not_read() {
    let bench = Bench::new();
    find(&read(&bench.path("nothing.pem")), Code::Unreadable);
    find(&read(bench.folder()), Code::Folder);
    find(&read(Path::new("/dev/zero")), Code::NotRegular);
}

#[test]
fn a_file_of_two_gibibytes_is_refused_without_being_read() {
    let bench = Bench::new();
    let huge = std::fs::File::create(bench.path("huge.p12")).unwrap();
    // Sparse: it takes no room.
    huge.set_len(2 << 30).unwrap();
    let report = read(&bench.path("huge.p12"));
    assert!(
        find(&report, Code::TooLarge)
            .message
            .starts_with("2147483648 bytes")
    );
    bench.write("large", vec![b'x'; usize::try_from(FILE_LEN_MAX).unwrap()]);
    find(&read(&bench.path("large")), Code::Unknown);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_without_being_opened() {
    let bench = Bench::new();
    let pipe = bench.path("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    find(&read(&pipe), Code::NotRegular);
}
