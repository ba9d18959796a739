//! Whatever the bytes are, the doctor answers, soon, in words that name a case.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use apns_certs::Kind;
use apns_certs::inspect::{Report, Source};
use proptest::prelude::*;

use super::support::{Bench, look_at, push};

/// Real files to start from.
fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let push = push(Kind::Universal);
        let made =
            apns_certs::csr::create("a@example.com", "x", apns_certs::KeyKind::P256).unwrap();
        let bench = Bench::new();
        bench.write("both", push.combined_pem());
        bench.openssl("pkcs12 -export -in both -passout pass:secret -iter 2 -out p12");
        bench.openssl("pkcs12 -export -legacy -in both -passout pass:secret -iter 2 -out old");
        bench.openssl("pkcs8 -topk8 -in both -passout pass:secret -iter 2 -out encrypted");
        bench.openssl("genrsa -out rsa 2048");
        vec![
            push.combined_pem().into_bytes(),
            push.certificate_der.to_vec(),
            made.request_pem.into_bytes(),
            bench.read("p12"),
            bench.read("old"),
            bench.read("encrypted"),
            bench.read("rsa"),
        ]
    })
}

fn answered(bytes: Vec<u8>) -> Report {
    let begun = Instant::now();
    let report = look_at(&[Source::new("file", bytes)], Some("secret"));
    assert!(begun.elapsed() < Duration::from_secs(30), "{report}");
    assert!(!report.to_string().is_empty());
    serde_json::to_string(&report).unwrap();
    report
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        answered(bytes);
    }

    #[test]
    fn a_real_file_with_some_bytes_changed_has_an_answer(
        seed in 0usize..7,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = seeds()[seed].clone();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        answered(bytes);
    }

    #[test]
    fn a_real_file_cut_anywhere_is_an_error(seed in 0usize..7, end in any::<prop::sample::Index>()) {
        let whole = &seeds()[seed];
        // The last line of PEM has an end of its own.
        let end = end.index(whole.len() - 2);
        let report = answered(whole[..end].to_vec());
        prop_assert!(
            report.findings().any(|finding| finding.severity >= apns_certs::inspect::Severity::Warning)
                || seed == 0,
            "{report}"
        );
    }

    #[test]
    fn pem_like_text_has_an_answer(text in "(-{4,6}(BEGIN|END) (CERTIFICATE|PRIVATE KEY|X)-{4,6}|[A-Z=:\\\\n \r\n]{0,30}){0,8}") {
        answered(text.into_bytes());
    }
}
