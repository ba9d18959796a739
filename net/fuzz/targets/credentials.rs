//! A certificate or key file somebody gives us, in PEM or DER: every way of reading it agrees with the others.
#![no_main]

use apns_net::credentials::{
    CertificateInfo, Identity, certificates_from_pem, decrypt_key_within, private_key_from_pem,
};
use libfuzzer_sys::fuzz_target;
use rustls::pki_types::CertificateDer;

/// Enough for the corpus, and little enough that the fuzzer does not spend its time on key derivation.
const ITERATIONS_MAX: u64 = 3000;

fuzz_target!(|input: &[u8]| {
    let certificates = certificates_from_pem(input);
    for der in certificates.iter().flatten() {
        let certificate = CertificateInfo::parse(der).expect("it was read to be let in");
        assert!(
            certificate.not_before <= certificate.not_after
                || !certificate.valid_at(certificate.not_before)
        );
    }
    // The parser also takes a sequence whose tag says that it is none (0x10); a file of that is refused.
    if input.first() == Some(&0x30) && CertificateInfo::parse(&CertificateDer::from(input)).is_ok()
    {
        assert_eq!(certificates.as_ref().map(Vec::len).ok(), Some(1));
    }
    if let Ok(identity) = Identity::from_pem(input, input) {
        assert_eq!(certificates.as_deref().ok(), Some(identity.chain()));
        assert!(private_key_from_pem(input, None).is_ok());
    }
    for password in ["", "secret"] {
        // What was decrypted has the shape of a key, and is not taken for a certificate or for an encrypted key.
        if let Ok(key) = decrypt_key_within(input, password, ITERATIONS_MAX) {
            assert!(certificates_from_pem(key.secret_pkcs8_der()).is_err());
            assert!(decrypt_key_within(key.secret_pkcs8_der(), password, ITERATIONS_MAX).is_err());
        }
    }
});
