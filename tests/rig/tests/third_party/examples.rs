//! The scripts of `examples/clients`, as a reader runs them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use apns_certs::pkcs12::{self, Contents, Profile};
use apns_net::credentials::Identity;
use apns_rig::certificates::certificates;
use apns_rig::eventually::eventually;
use apns_rig::numbered::each_once;
use apns_rig::{Knobs, Rig, unknown_token};
use data_encoding::HEXLOWER;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::ran::{Ran, node_modules, root};

const PASSWORD: &str = "correct horse";

/// A script, with the files it logs in with.
#[derive(Clone, Copy, Debug)]
enum Client {
    /// `ck.pem`.
    Php,
    /// A PKCS#12 file of today.
    Java,
    /// A PKCS#12 file as Java 6 and old Keychains wrote it.
    JavaCompat,
    /// Certificate and key in PEM.
    NodePem,
    /// A PKCS#12 file of today.
    NodeP12,
    /// A PKCS#12 file as it was in 2011.
    NodeP12Compat,
}

impl Client {
    fn command(self, files: &Files) -> Command {
        let (program, script) = match self {
            Self::Php => ("php", "php/push.php"),
            Self::Java | Self::JavaCompat => ("java", "java/Push.java"),
            Self::NodePem | Self::NodeP12 | Self::NodeP12Compat => {
                node_modules();
                ("node", "node/push.js")
            }
        };
        let mut command = Command::new(program);
        command.arg(root("examples/clients").join(script));
        command.arg("--ca").arg(&files.ca);
        match self {
            Self::Php => command.arg("--cert").arg(&files.combined),
            Self::Java => command.arg("--keystore").arg(&files.p12),
            Self::JavaCompat => command.arg("--keystore").arg(&files.p12_compat),
            Self::NodePem => command
                .arg("--cert")
                .arg(&files.certificate)
                .arg("--key")
                .arg(&files.key),
            Self::NodeP12 => command.arg("--p12").arg(&files.p12),
            Self::NodeP12Compat => command.arg("--p12").arg(&files.p12_compat),
        };
        match self {
            Self::Php | Self::NodePem => &mut command,
            Self::Java | Self::JavaCompat => command.args(["--password", PASSWORD]),
            Self::NodeP12 | Self::NodeP12Compat => command.args(["--passphrase", PASSWORD]),
        };
        command
    }

    /// What it says of an error packet with status 8.
    fn complaint(self) -> &'static str {
        match self {
            Self::Php | Self::Java | Self::JavaCompat => "error packet: status 8 (invalid token:",
            Self::NodePem | Self::NodeP12 | Self::NodeP12Compat => {
                "error packet: status 8 (invalidToken)"
            }
        }
    }
}

/// The backend's push certificate in every form.
struct Files {
    folder: PathBuf,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    combined: PathBuf,
    p12: PathBuf,
    p12_compat: PathBuf,
}

impl Files {
    fn write(rig: &Rig) -> Self {
        let folder = rig.folder().to_owned();
        let backend = &certificates().backend;
        let (certificate, key) = rig.write(backend, "aps_developer_identity");
        let files = Self {
            ca: folder.join("trusted.pem"),
            key: key.expect("a key is written beside its certificate"),
            certificate,
            combined: folder.join("ck.pem"),
            p12: folder.join("aps_developer_identity.p12"),
            p12_compat: folder.join("compat.p12"),
            folder,
        };
        std::fs::write(&files.ca, rig.ca()).expect("the folder can be written");
        std::fs::write(&files.combined, backend.combined_pem()).expect("the folder can be written");
        files.store(&files.p12, Profile::Modern);
        files.store(&files.p12_compat, Profile::Compat);
        files
    }

    /// What `apns-certs p12` writes.
    fn store(&self, to: &Path, profile: Profile) {
        let identity =
            Identity::from_pem_files(&self.certificate, &self.key).expect("it was just minted");
        let key = PrivateKeyDer::from_pem_file(&self.key).expect("it was just minted");
        let contents = Contents {
            key: &key,
            certificates: identity.chain(),
            friendly_name: Some("aps_developer_identity"),
        };
        let store = pkcs12::write(&contents, PASSWORD, profile).expect("such a key can be stored");
        std::fs::write(to, store).expect("the folder can be written");
    }

    async fn push(
        &self,
        client: Client,
        to: SocketAddr,
        token: &[u8],
        number: u32,
        options: &[&str],
    ) -> Ran {
        let mut command = client.command(self);
        command
            .args(["--host", &to.ip().to_string()])
            .args(["--port", &to.port().to_string()])
            .args(["--token", &HEXLOWER.encode(token)])
            .args(["--alert", &format!("number {number}")])
            .args(options);
        Ran::start(&mut command, Stdio::null(), &self.folder).await
    }
}

/// A good push for each of `options`, then one to a token no phone has, of which the client must hear.
async fn pushes(client: Client, rig: &Rig, to: SocketAddr, options: &[&[&str]]) {
    let files = Files::write(rig);
    for (number, options) in (1..).zip(options) {
        let token = &rig.phones[0].token;
        let ran = files.push(client, to, token, number, options).await;
        assert!(ran.succeeded().stdout.starts_with("sent"));
        eventually("each push on the screen, once", async || {
            each_once(rig.phones[0].numbers(), 1..=number)
        })
        .await;
    }
    let ran = files.push(client, to, &unknown_token(1), 100, &[]).await;
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    assert!(ran.stderr.contains(client.complaint()), "{ran:#?}");
}

async fn through_the_simulator(client: Client, options: &[&[&str]]) {
    let rig = Rig::prepare(Knobs::default()).await;
    pushes(client, &rig, rig.simulator.binary(), options).await;
}

/// The gateway answers too: the refused one is the newest it took, and the client still listens.
async fn through_the_gateway(client: Client) {
    let rig = Rig::start().await;
    pushes(client, &rig, rig.backend_address(), AS_IT_IS).await;
    rig.settled(|counts| counts.queued == 0 && counts.delivered == 1 && counts.rejected == 1)
        .await;
}

const EACH_COMMAND: &[&[&str]] = &[
    &["--command", "0"],
    &["--command", "1"],
    &["--command", "2"],
];
const AS_IT_IS: &[&[&str]] = &[&[]];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn php_pushes_with_ck_pem() {
    through_the_simulator(Client::Php, EACH_COMMAND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn php_pushes_through_the_gateway() {
    through_the_gateway(Client::Php).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_pushes_with_a_p12() {
    through_the_simulator(Client::Java, EACH_COMMAND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_pushes_with_a_p12_of_old_times() {
    through_the_simulator(Client::JavaCompat, AS_IT_IS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_pushes_through_the_gateway() {
    through_the_gateway(Client::Java).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_pushes_with_pem() {
    through_the_simulator(Client::NodePem, AS_IT_IS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_pushes_with_a_p12() {
    through_the_simulator(Client::NodeP12, AS_IT_IS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_pushes_with_a_p12_of_old_times() {
    through_the_simulator(Client::NodeP12Compat, AS_IT_IS).await;
}

/// What a command-0 client can learn of a refusal, and no more [P-39].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_command_0_is_told_from_a_good_one_by_the_close() {
    let rig = Rig::prepare(Knobs::default()).await;
    let files = Files::write(&rig);
    for client in [Client::Php, Client::Java] {
        let to = rig.simulator.binary();
        let command = ["--command", "0"];
        let ran = files.push(client, to, &unknown_token(1), 1, &command).await;
        assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
        assert!(ran.stderr.contains("the server closed"), "{ran:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keytool_lists_each_p12_as_a_private_key() {
    let rig = Rig::prepare(Knobs::default()).await;
    let files = Files::write(&rig);
    for p12 in [&files.p12, &files.p12_compat] {
        let mut command = Command::new("keytool");
        command
            .args([
                "-list",
                "-storetype",
                "PKCS12",
                "-storepass",
                PASSWORD,
                "-keystore",
            ])
            .arg(p12);
        let ran = Ran::start(&mut command, Stdio::null(), &files.folder)
            .await
            .succeeded();
        assert!(ran.stdout.contains("aps_developer_identity, "), "{ran:#?}");
        assert!(ran.stdout.contains("PrivateKeyEntry"), "{ran:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_says_what_is_wrong_with_its_arguments() {
    let rig = Rig::prepare(Knobs::default()).await;
    let files = Files::write(&rig);
    for client in [Client::Php, Client::Java, Client::NodePem] {
        let mut command = client.command(&files);
        let ran = Ran::start(
            command.args(["--token", "xyz"]),
            Stdio::null(),
            &files.folder,
        )
        .await;
        assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
        assert!(ran.stderr.contains("--token, in hexadecimal"), "{ran:#?}");
        let mut command = client.command(&files);
        let ran = Ran::start(command.arg("--help"), Stdio::null(), &files.folder)
            .await
            .succeeded();
        assert!(ran.stdout.contains("--token HEX"), "{ran:#?}");
    }
}
