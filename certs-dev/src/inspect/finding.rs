//! What the doctor has to say about a file: how bad it is, which case it is, what mends it.

use std::fmt;

use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Checked, and as it should be.
    Ok,
    /// Worth knowing; nothing to do.
    Note,
    /// Works in some places and not in others, or not for long.
    Warning,
    /// Does not work, or is not what it is taken for.
    Error,
}

impl Severity {
    /// The word in text and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Declares the cases once: name, word, severity and what it means.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal, $severity:ident;)+) => {
        /// The case a finding is of. The words are stable: scripts may compare them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $name,)+
        }

        impl Code {
            /// Every case there is.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word in text and JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// How much it matters: the same for every finding of the case.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),+ }
            }
        }
    };
}

codes! {
    // Files that cannot be looked into.
    /// The file cannot be opened or read.
    Unreadable = "unreadable", Error;
    /// A folder is no file.
    Folder = "folder", Error;
    /// A pipe, a device, a socket.
    NotRegular = "not-regular", Error;
    /// Larger than any credentials.
    TooLarge = "too-large", Error;
    /// Nothing in it.
    Empty = "empty", Error;

    // Files that are something else.
    /// Nothing known here.
    Unknown = "unknown", Error;
    /// A web page, saved in place of a download.
    WebPage = "web-page", Error;
    /// Text of two bytes a character, as Windows editors and PowerShell write it.
    Utf16 = "utf-16", Error;
    /// A device token.
    DeviceToken = "device-token", Error;
    /// A Java keystore, which only Java reads.
    JavaKeystore = "java-keystore", Error;
    /// A provisioning profile, which is for building apps.
    ProvisioningProfile = "provisioning-profile", Error;
    /// PKCS#7, which may hold certificates.
    Pkcs7 = "pkcs7", Error;
    /// The public half of a key.
    PublicKey = "public-key", Error;
    /// A list of revoked certificates.
    RevocationList = "revocation-list", Error;
    /// A section of PEM nobody needs for push: DH parameters, an SSH key.
    OtherSection = "other-section", Warning;

    // How it is written.
    /// The name promises another format.
    NameMisleads = "name-misleads", Warning;
    /// PEM's base64 without its BEGIN and END lines.
    BareBase64 = "bare-base64", Error;
    /// A line such as BEGIN is there, but not as PEM has it.
    BeginLine = "begin-line", Error;
    /// The END line is missing or of another section.
    EndLine = "end-line", Error;
    /// A section is not base64.
    NotBase64 = "not-base64", Error;
    /// PEM on one line, or with the characters `\n` in place of line ends.
    LineEnds = "line-ends", Error;
    /// Spaces before the BEGIN or END line.
    Indented = "indented", Error;
    /// A byte order mark before the BEGIN line.
    ByteOrderMark = "byte-order-mark", Error;
    /// Windows line ends.
    Crlf = "crlf", Note;
    /// Text outside of the sections, as `openssl pkcs12` writes it.
    TextOutside = "text-outside", Note;
    /// A section's label is that of something else.
    Label = "label", Error;
    /// It ends too early.
    Truncated = "truncated", Error;
    /// Bytes follow where it ends.
    TrailingBytes = "trailing-bytes", Warning;
    /// It cannot be parsed.
    Damaged = "damaged", Error;

    // Certificates.
    /// No longer valid.
    Expired = "expired", Error;
    /// Not valid yet.
    NotYetValid = "not-yet-valid", Error;
    /// Valid for less than 30 days.
    EndsSoon = "ends-soon", Warning;
    /// For the sandbox alone.
    SandboxOnly = "sandbox-only", Note;
    /// For production alone.
    ProductionOnly = "production-only", Note;
    /// The file's name says one environment, the certificate the other.
    OtherEnvironment = "other-environment", Warning;
    /// For VoIP pushes.
    Voip = "voip", Note;
    /// It signs apps; APNs does not take it.
    SigningCertificate = "signing-certificate", Error;
    /// Apple did not issue it.
    NotApple = "not-apple", Note;
    /// It is its own issuer.
    SelfSigned = "self-signed", Note;
    /// A push certificate that may not be shown as a client.
    NoClientAuth = "no-client-auth", Error;
    /// Signed over MD5 or older.
    Md5Signature = "md5-signature", Error;
    /// Signed over SHA-1.
    Sha1Signature = "sha1-signature", Warning;

    // Keys.
    /// A key of a length that TLS libraries refuse.
    WeakKey = "weak-key", Error;
    /// A kind of key that APNs or TLS libraries do not take.
    OtherKey = "other-key", Error;
    /// An encrypted private key.
    EncryptedKey = "encrypted-key", Warning;
    /// A file that says it is not encrypted, and is.
    NotNoenc = "not-noenc", Error;
    /// A key in a .p8 file that is not P-256.
    NotTokenKey = "not-token-key", Error;
    /// A P-256 key that is not PKCS#8.
    NotPkcs8 = "not-pkcs8", Note;

    // Several together.
    /// The key belongs to the certificate.
    Pair = "pair", Ok;
    /// The key belongs to another certificate.
    KeyMismatch = "key-mismatch", Error;
    /// The key comes before the certificate.
    KeyFirst = "key-first", Note;
    /// The key's certificate is not the first one.
    LeafNotFirst = "leaf-not-first", Error;
    /// More than one key in a file.
    SeveralKeys = "several-keys", Warning;

    // Signing requests.
    /// A signing request as it should be.
    Request = "request", Note;
    /// A signing request where a certificate belongs.
    RequestNotCertificate = "request-not-certificate", Error;
    /// A signing request the portal would refuse.
    RequestRefused = "request-refused", Error;

    // PKCS#12.
    /// No password was given.
    Locked = "locked", Warning;
    /// The password does not open it.
    WrongPassword = "wrong-password", Error;
    /// A key without its certificate.
    KeyOnly = "key-only", Warning;
    /// A certificate without its key.
    CertificateOnly = "certificate-only", Error;
    /// Neither a key nor a certificate.
    NothingInside = "nothing-inside", Error;
    /// Encrypted as OpenSSL 3 no longer reads.
    LegacyEncryption = "legacy-encryption", Warning;
    /// Encrypted as Java 6, old Keychains and PHP cannot read.
    ModernEncryption = "modern-encryption", Note;
    /// Not encrypted.
    NotEncrypted = "not-encrypted", Warning;
    /// Protected by the empty password.
    EmptyPassword = "empty-password", Note;
    /// Nothing proves that it is as it was written.
    NoMac = "no-mac", Note;
    /// So few rounds of key derivation that a password is soon guessed.
    FewRounds = "few-rounds", Note;
    /// More rounds of key derivation than anyone waits for.
    TooCostly = "too-costly", Error;
    /// Protected in a way not known here.
    Unsupported = "unsupported", Error;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Which case it is.
    pub code: Code,
    /// What was found and what to do, as a clause.
    pub message: String,
    /// What mends it, ready to be typed.
    pub commands: Vec<String>,
}

impl Finding {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: code.severity(),
            code,
            message: message.into(),
            commands: Vec::new(),
        }
    }

    /// Adds a command that mends it.
    pub(super) fn mend(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_one_word_of_its_own_in_text_and_json() {
        for (index, code) in Code::ALL.iter().enumerate() {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!(
                Code::ALL[..index]
                    .iter()
                    .all(|other| other.as_str() != code.as_str())
            );
            assert!(
                code.as_str()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
        }
    }
}
