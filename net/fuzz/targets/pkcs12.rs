//! A PKCS#12 file somebody gives us: what it tells with and without its password agrees, and nothing is computed beyond the
//! limit.
#![no_main]

use apns_net::credentials::Origin;
use apns_net::credentials::pkcs12::{BagKind, open_within, outline};
use libfuzzer_sys::fuzz_target;

/// Enough for the corpus, and little enough that the fuzzer does not spend its time on key derivation.
const ITERATIONS_MAX: u64 = 3000;

fuzz_target!(|input: &[u8]| {
    let outline = outline(input);
    for password in ["", "secret"] {
        match (open_within(input, password, ITERATIONS_MAX), &outline) {
            (opened, Err(error)) => assert_eq!(opened.err().as_ref(), Some(error)),
            (Err(_), Ok(_)) => {}
            (Ok(store), Ok(outline)) => {
                assert_eq!(store.outline.parts.len(), outline.parts.len());
                let certificates = store
                    .outline
                    .bags()
                    .filter(|bag| bag.kind == BagKind::Certificate);
                assert_eq!(store.certificates.len(), certificates.count());
                // A key comes with the certificate it stands with, or an error says which is missing.
                if let Ok((chain, _)) = store.pair(&Origin::Memory) {
                    assert!(!chain.is_empty());
                }
            }
        }
    }
});
