//! Reading certificates and keys: what is found in them, and what their owner is told when something is wrong.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic that names its place is the best report"
)]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use apns_net::credentials::{
    CertificateInfo, Identity, Pin, certificates_from_pem, certificates_from_pem_file,
};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

/// The arc of Apple's push extensions.
const PUSH: [u64; 7] = [1, 2, 840, 113_635, 100, 6, 3];

/// `com.x` {app}, `com.x.voip` {voip}, `com.x.complication` {complication}: alternating, as in the specification.
const TOPICS: &[u8] = b"\x30\x46\
    \x0c\x05com.x\x30\x05\x0c\x03app\
    \x0c\x0acom.x.voip\x30\x06\x0c\x04voip\
    \x0c\x12com.x.complication\x30\x0e\x0c\x0ccomplication";

struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

fn pair(edit: impl FnOnce(&mut CertificateParams)) -> Pair {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    edit(&mut params);
    let key = KeyPair::generate().unwrap();
    Pair {
        certificate: params.self_signed(&key).unwrap(),
        key,
    }
}

fn universal(params: &mut CertificateParams) {
    let user_id = DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]);
    let name = &mut params.distinguished_name;
    name.push(user_id, "com.x");
    name.push(DnType::CommonName, "Apple Push Services: com.x");
    name.push(DnType::OrganizationalUnitName, "TEAM123456");
    params.not_before = date_time_ymd(2016, 1, 1);
    params.not_after = date_time_ymd(2017, 1, 1);
    for (last, content) in [(1, &b"\x05\x00"[..]), (2, b"\x05\x00"), (6, TOPICS)] {
        let oid = [&PUSH[..], &[last]].concat();
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(&oid, content.to_vec()));
    }
}

fn info(pair: &Pair) -> CertificateInfo {
    CertificateInfo::parse(pair.certificate.der()).unwrap()
}

fn day(days_since_1970: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(days_since_1970 * 86_400)
}

#[test]
fn a_universal_push_certificate_says_who_where_and_until_when() {
    let universal = pair(universal);
    let info = info(&universal);
    assert_eq!(info.common_name, "Apple Push Services: com.x");
    assert_eq!(info.topic.as_deref(), Some("com.x"));
    assert_eq!(info.topics, ["com.x", "com.x.voip", "com.x.complication"]);
    assert_eq!(info.team.as_deref(), Some("TEAM123456"));
    assert!(info.environments.sandbox && info.environments.production);
    // 2016-01-01 and 2017-01-01.
    assert_eq!(
        (info.not_before, info.not_after),
        (day(16_801), day(17_167))
    );
    assert_eq!(info.pin, Pin::of(universal.certificate.der()));
    assert!(info.is_push() && !info.is_voip());
}

#[test]
fn validity_includes_both_ends() {
    let info = info(&pair(universal));
    let second = Duration::from_secs(1);
    assert!(!info.valid_at(day(16_801) - second));
    assert!(info.valid_at(day(16_801)) && info.valid_at(day(17_167)));
    assert!(!info.valid_at(day(17_167) + second));
}

#[test]
fn a_plain_certificate_is_for_nothing_in_particular() {
    let info = info(&pair(|_| {}));
    assert_eq!(info.common_name, "");
    assert_eq!((info.topic.as_deref(), info.team.as_deref()), (None, None));
    assert!(info.topics.is_empty() && info.environments.is_empty() && !info.is_push());
}

#[test]
fn an_empty_uid_is_no_topic() {
    let info = info(&pair(|params| {
        let user_id = DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]);
        params.distinguished_name.push(user_id, "");
    }));
    assert_eq!(info.topic, None);
}

#[test]
fn a_voip_certificate_is_known_by_its_name_or_its_topic() {
    let by_name = info(&pair(|params| {
        params
            .distinguished_name
            .push(DnType::CommonName, "VoIP Services: com.x");
    }));
    let by_topic = info(&pair(|params| {
        let user_id = DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]);
        params.distinguished_name.push(user_id, "com.x.voip");
    }));
    assert!(by_name.is_voip() && by_topic.is_voip());
}

#[test]
fn a_topic_list_cut_anywhere_gives_the_topics_before_the_cut_and_never_a_panic() {
    for len in 0..TOPICS.len() {
        let cut = info(&pair(|params| {
            let oid = [&PUSH[..], &[6]].concat();
            let content = TOPICS[..len].to_vec();
            params
                .custom_extensions
                .push(CustomExtension::from_oid_content(&oid, content));
        }));
        assert!(cut.topics.is_empty(), "the outer sequence is not whole");
    }
    // The sequence is whole, the last topic in it is not.
    let torn = info(&pair(|params| {
        let oid = [&PUSH[..], &[6]].concat();
        let content = b"\x30\x0b\x0c\x05com.x\x0c\x09co".to_vec();
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(&oid, content));
    }));
    assert_eq!(torn.topics, ["com.x"]);
}

#[test]
fn a_certificate_cut_or_bent_anywhere_is_read_or_refused_and_never_a_panic() {
    let whole = pair(universal).certificate.der().to_vec();
    for len in 0..whole.len() {
        let cut = CertificateDer::from(&whole[..len]);
        CertificateInfo::parse(&cut).unwrap_err();
    }
    for place in 0..whole.len() {
        for bend in [0x01, 0x80, 0xff] {
            let mut bent = whole.clone();
            bent[place] ^= bend;
            let _ = CertificateInfo::parse(&bent.into());
        }
    }
    let mut longer = whole;
    longer.push(0);
    let error = CertificateInfo::parse(&longer.into()).unwrap_err();
    assert!(error.to_string().contains("1 bytes follow it"), "{error}");
}

/// FIPS 180-2, appendix B.1: the digest of "abc".
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_pin_is_the_sha_256_of_the_der() {
    let pin = Pin::of(&CertificateDer::from(&b"abc"[..]));
    assert_eq!(pin.to_string(), ABC);
    assert_eq!(format!("{pin:?}"), format!("Pin({ABC})"));
}

#[test]
fn a_pin_is_read_as_openssl_prints_it() {
    let colons = "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:\
                  B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
    let expected: Pin = ABC.parse().unwrap();
    assert_eq!(colons.parse(), Ok(expected));
    assert_eq!(format!(" {ABC}\n").parse(), Ok(expected));
    assert_eq!(serde_json::from_value::<Pin>(ABC.into()).unwrap(), expected);
    assert_eq!(serde_json::to_value(expected).unwrap(), ABC);
}

#[test]
fn what_is_no_fingerprint_is_refused_with_how_to_get_one() {
    let sha1 = "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D";
    for text in ["", "ab", sha1, &ABC.replace('b', "g"), &format!("{ABC}00")] {
        let error = text.parse::<Pin>().unwrap_err();
        assert!(error.to_string().contains("-fingerprint -sha256"), "{text}");
    }
}

/// A folder with a certificate and its key in every form.
struct Folder {
    folder: TempDir,
    pair: Pair,
}

impl Folder {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let pair = pair(universal);
        let (pem, key) = (pair.certificate.pem(), pair.key.serialize_pem());
        let this = Self { folder, pair };
        this.put("cert.pem", &pem);
        this.put("key.pem", &key);
        this.put("both.pem", format!("Bag Attributes\n{pem}{key}"));
        this.put("key-first.pem", format!("{key}{pem}"));
        this.put("cert.cer", this.pair.certificate.der());
        this.put("key.der", this.pair.key.serialized_der());
        this
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self, certificate: &str, key: &str) -> Result<Identity, String> {
        Identity::from_pem_files(self.path(certificate), self.path(key))
            .map_err(|error| error.to_string())
    }
}

#[test]
fn certificate_and_key_are_read_as_pem_or_der_apart_or_in_one_file() {
    let folder = Folder::new();
    for (certificate, key) in [
        ("cert.pem", "key.pem"),
        ("both.pem", "both.pem"),
        ("key-first.pem", "key-first.pem"),
        ("cert.cer", "key.der"),
        ("cert.cer", "key.pem"),
        ("both.pem", "key.der"),
    ] {
        let identity = folder.load(certificate, key).unwrap();
        assert_eq!(identity.chain(), [folder.pair.certificate.der().clone()]);
        assert_eq!(identity.certificate().topic.as_deref(), Some("com.x"));
    }
}

#[test]
fn a_chain_keeps_its_order() {
    let folder = Folder::new();
    let above = pair(|_| {});
    let chain = format!(
        "{}{}",
        folder.pair.certificate.pem(),
        above.certificate.pem()
    );
    folder.put("chain.pem", chain);
    let identity = folder.load("chain.pem", "key.pem").unwrap();
    let expected = [&folder.pair, &above].map(|pair| pair.certificate.der().clone());
    assert_eq!(identity.chain(), expected);
    assert_eq!(
        certificates_from_pem_file(folder.path("chain.pem")).unwrap(),
        expected
    );
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name_and_what_to_do() {
    let folder = Folder::new();
    let stranger = pair(|_| {});
    folder.put("stranger.pem", stranger.key.serialize_pem());
    folder.put("empty.pem", "");
    folder.put("text.pem", "not credentials at all\n");
    folder.put("torn.pem", &folder.pair.certificate.pem().as_bytes()[..200]);
    folder.put(
        "bent.pem",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    );
    folder.put(
        "nonsense.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    folder.put(
        "encrypted.pem",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    folder.put(
        "encrypted-old.pem",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,00\n\nMIIB\n\
         -----END RSA PRIVATE KEY-----\n",
    );
    // A PFX is SEQUENCE { version INTEGER 3, … } (RFC 7292).
    folder.put(
        "bundle.p12",
        b"\x30\x82\x0a\x31\x02\x01\x03\x30\x82\x09\xf7",
    );
    folder.put(
        "bad-key.pem",
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
    );
    folder.put("huge.pem", vec![b'x'; 1024 * 1024 + 1]);

    for (certificate, key, faulty, said) in [
        ("absent.pem", "key.pem", "absent.pem", "cannot read"),
        ("cert.pem", "absent.pem", "absent.pem", "cannot read"),
        ("empty.pem", "key.pem", "empty.pem", "no certificate in"),
        ("text.pem", "key.pem", "text.pem", "BEGIN CERTIFICATE"),
        ("key.pem", "key.pem", "key.pem", "no certificate in"),
        ("key.der", "key.pem", "key.der", "no certificate in"),
        ("torn.pem", "key.pem", "torn.pem", "an END line is missing"),
        ("bent.pem", "key.pem", "bent.pem", "not base64"),
        ("nonsense.pem", "key.pem", "nonsense.pem", "export it again"),
        ("bundle.p12", "key.pem", "bundle.p12", "openssl pkcs12"),
        ("huge.pem", "key.pem", "huge.pem", "too large"),
        ("cert.pem", "cert.pem", "cert.pem", "no private key in"),
        ("cert.pem", "cert.cer", "cert.cer", "no private key in"),
        ("cert.pem", "bundle.p12", "bundle.p12", "openssl pkcs12"),
        ("cert.pem", "encrypted.pem", "encrypted.pem", "openssl pkey"),
        (
            "cert.pem",
            "encrypted-old.pem",
            "encrypted-old.pem",
            "openssl pkey",
        ),
        ("cert.pem", "bad-key.pem", "bad-key.pem", "cannot be used"),
        (
            "cert.pem",
            "stranger.pem",
            "stranger.pem",
            "does not belong to the certificate in",
        ),
    ] {
        let error = folder.load(certificate, key).unwrap_err();
        let faulty = folder.path(faulty).display().to_string();
        assert!(error.contains(&faulty), "{certificate}, {key}: {error}");
        assert!(error.contains(said), "{certificate}, {key}: {error}");
        assert!(
            !error.contains("AAAA") && !error.contains("MIIB"),
            "{error}"
        );
    }
}

#[test]
fn a_folder_given_as_a_file_is_no_panic() {
    let folder = Folder::new();
    let error = Identity::from_pem_files(folder.folder.path(), folder.path("key.pem")).unwrap_err();
    assert!(error.to_string().starts_with("cannot read "), "{error}");
}

#[test]
fn a_der_certificate_with_words_of_pem_in_a_name_is_read_as_der() {
    let name = "-----BEGIN CERTIFICATE-----";
    let der = pair(|params| params.distinguished_name.push(DnType::CommonName, name))
        .certificate
        .der()
        .clone();
    assert_eq!(certificates_from_pem(&der).unwrap(), [der]);
}

#[test]
fn a_damaged_certificate_in_a_bundle_is_not_passed_over() {
    let good = pair(|_| {}).certificate.pem();
    let bundle = format!("{good}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    certificates_from_pem(&good).unwrap();
    certificates_from_pem(bundle).unwrap_err();
}

#[test]
fn an_identity_never_prints_its_key() {
    let folder = Folder::new();
    let identity = folder.load("cert.pem", "key.pem").unwrap();
    let printed = format!("{identity:?} {identity:#?}");
    let key = folder.pair.key.serialized_der();
    assert!(printed.contains("Apple Push Services: com.x"));
    assert!(!printed.contains("key"), "{printed}");
    assert!(!printed.contains(&format!("{key:?}")), "{printed}");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_warned_about_and_a_private_one_is_not() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let chmod = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(folder.path("key.pem"), permissions).unwrap();
    };
    chmod(0o600);
    assert_eq!(logged(|| drop(folder.load("cert.pem", "key.pem"))), "");
    chmod(0o640);
    let line = logged(|| drop(folder.load("cert.pem", "key.pem")));
    assert!(line.contains("WARN"), "{line}");
    assert!(
        line.contains("others on this machine can read this private key"),
        "{line}"
    );
    assert!(line.contains("key.pem") && line.contains("0640"), "{line}");
}

/// What `work` logs on this thread.
#[cfg(unix)]
fn logged(work: impl FnOnce()) -> String {
    use std::io::Read;

    let mut file = tempfile::tempfile().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file.try_clone().unwrap()))
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    let mut text = String::new();
    std::io::Seek::rewind(&mut file).unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}
