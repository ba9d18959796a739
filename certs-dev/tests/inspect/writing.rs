//! How a file is written: what programs stumble over although the contents are sound.

use apns_certs::Kind;
use apns_certs::inspect::{Code, Severity};
use apns_net::credentials::Identity;

use super::support::{codes, find, look, push};

#[test]
fn what_is_found_sound_the_gateway_reads() {
    let push = push(Kind::Universal);
    let combined = push.combined_pem();
    for (name, text) in [
        ("plain", combined.clone()),
        ("crlf", combined.replace('\n', "\r\n")),
        ("key first", format!("{}{}", push.key_pem, push.cert_pem)),
        (
            "bag attributes",
            format!("Bag Attributes\n  localKeyID: 01\n{combined}"),
        ),
    ] {
        let report = look("ck.pem", text.as_bytes());
        assert!(report.severity() < Severity::Warning, "{name}: {report}");
        assert!(codes(&report).contains(&"pair"), "{name}: {report}");
        Identity::from_pem(&text, &text).unwrap();
    }
}

#[test]
fn what_is_found_broken_the_gateway_does_not_read() {
    let combined = push(Kind::Universal).combined_pem();
    let indented: String = combined.lines().map(|line| format!("  {line}\n")).collect();
    let no_end = combined.replacen("-----END CERTIFICATE-----\n", "", 1);
    for (code, text) in [
        (Code::Indented, indented),
        (Code::EndLine, no_end),
        (
            Code::EndLine,
            combined
                .trim_end()
                .trim_end_matches(|c| c != '\n')
                .to_owned(),
        ),
        (
            Code::EndLine,
            combined.replacen("END CERTIFICATE", "END PRIVATE KEY", 1),
        ),
        (Code::LineEnds, combined.replace('\n', "\\n")),
        (Code::LineEnds, combined.replace('\n', " ")),
        (
            Code::BeginLine,
            combined.replace("BEGIN CERTIFICATE-----", "BEGIN CERTIFICATE----"),
        ),
        (
            Code::BeginLine,
            combined.replace("-----", "\u{2014}\u{2013}"),
        ),
        (Code::NotBase64, combined.replacen("MII", "M*I", 1)),
        (
            Code::Label,
            combined.replace("CERTIFICATE", "CERTIFICATE REQUEST"),
        ),
        (Code::ByteOrderMark, format!("\u{feff}{combined}")),
    ] {
        let report = look("ck.pem", text.as_bytes());
        assert_eq!(find(&report, code).severity, Severity::Error, "{report}");
        assert!(Identity::from_pem(&text, &text).is_err(), "{code}: {text}");
    }
}

#[test]
fn a_section_that_is_odd_is_looked_at_all_the_same() {
    let combined = push(Kind::Universal).combined_pem();
    for text in [
        combined.replace('\n', "\\n"),
        combined.replace('\n', " "),
        format!("\u{feff}{combined}"),
    ] {
        let report = look("ck.pem", text);
        assert_eq!(report.files[0].items.len(), 2, "{report}");
        assert!(codes(&report).contains(&"pair"));
    }
}

#[test]
fn the_name_is_compared_with_what_is_in_the_file() {
    let push = push(Kind::Universal);
    let der = push.certificate_der.to_vec();

    let report = look("aps.pem", &*der);
    let finding = find(&report, Code::NameMisleads);
    assert_eq!(
        finding.commands,
        ["openssl x509 -inform der -in aps.pem -out aps.converted.pem"]
    );
    let report = look("my files/aps.cer", push.cert_pem.as_bytes());
    assert_eq!(
        find(&report, Code::NameMisleads).commands,
        ["mv 'my files/aps.cer' 'my files/aps.pem'"]
    );
    let report = look("push.p12", push.combined_pem());
    assert!(find(&report, Code::NameMisleads).commands[0].starts_with("apns-certs p12 "));
    for (name, bytes) in [
        ("aps.cer", &*der),
        ("aps.crt", &*der),
        ("aps", &*der),
        ("aps.crt", push.cert_pem.as_bytes()),
        ("aps.pem", push.cert_pem.as_bytes()),
        ("aps.txt", push.cert_pem.as_bytes()),
    ] {
        assert_eq!(codes(&look(name, bytes)), ["not-apple"], "{name}");
    }
}

#[test]
fn windows_line_ends_and_text_outside_are_notes() {
    let push = push(Kind::Universal);
    let report = look("aps.pem", push.cert_pem.replace('\n', "\r\n"));
    assert_eq!(find(&report, Code::Crlf).severity, Severity::Note);
    let report = look("aps.pem", format!("Bag Attributes\n{}", push.cert_pem));
    assert_eq!(find(&report, Code::TextOutside).severity, Severity::Note);
}

#[test]
fn der_that_is_cut_short_or_goes_on_is_measured() {
    let der = push(Kind::Universal).certificate_der;
    let report = look("aps.cer", &der[..der.len() - 7]);
    let message = &find(&report, Code::Truncated).message;
    assert!(
        message.contains("a certificate is cut short, 7 bytes are missing"),
        "{message}"
    );
    let report = look("aps.cer", [&*der, b"\r\n"].concat());
    let message = &find(&report, Code::TrailingBytes).message;
    assert!(
        message.starts_with("2 bytes follow the end of a certificate"),
        "{message}"
    );
}

#[test]
fn base64_without_its_frame_is_looked_into() {
    let pem = push(Kind::Universal).cert_pem;
    let bare: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let report = look("cert.txt", bare);
    assert_eq!(find(&report, Code::BareBase64).severity, Severity::Error);
    assert_eq!(report.files[0].what, "base64 of a certificate");
    assert_eq!(report.files[0].items.len(), 1);
}

#[test]
fn a_section_of_no_use_is_named() {
    let pem = push(Kind::Universal).cert_pem;
    let dh = "-----BEGIN DH PARAMETERS-----\nAAEC\n-----END DH PARAMETERS-----\n";
    let report = look("aps.pem", format!("{pem}{dh}"));
    assert!(
        find(&report, Code::OtherSection)
            .message
            .contains("\"DH PARAMETERS\"")
    );
    let ec = dh.replace("DH", "EC");
    assert_eq!(codes(&look("aps.pem", format!("{ec}{pem}"))), ["not-apple"]);
}
