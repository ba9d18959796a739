//! What a user says about the server.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use data_encoding::HEXLOWER_PERMISSIVE;

use crate::cli::{RunOptions, seconds};
use crate::observer::Environment;

const LOGIN: &str = "Certificates";
const OBSERVER: &str = "What became of a notification";

/// The options of `apns-conformance server`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Where the server is.
    #[arg(long, value_name = "NAME", default_value = "127.0.0.1")]
    pub host: String,
    /// Its port for notifications, Apple's 2195.
    #[arg(long, required_unless_present = "list")]
    pub port: Option<u16>,
    /// Its port for feedback, Apple's 2196.
    #[arg(long, value_name = "PORT")]
    pub feedback_port: Option<u16>,
    /// Its port for the HTTP/2 provider API.
    #[arg(long, value_name = "PORT")]
    pub http2_port: Option<u16>,
    /// Its port for phones, Apple's 5223.
    #[arg(long, value_name = "PORT")]
    pub courier_port: Option<u16>,

    /// The client certificate to log in with, PEM.
    #[arg(long, value_name = "FILE", required_unless_present = "list", help_heading = LOGIN)]
    pub cert: Option<PathBuf>,
    /// Its key, PEM, where it is not in the same file.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub key: Option<PathBuf>,
    /// The CA behind the server's certificate, PEM; without it any server is believed.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub ca: Option<PathBuf>,
    /// A client certificate that has expired.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub expired_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub expired_key: Option<PathBuf>,
    /// A client certificate that has expired and that the server (a bridge) has pinned.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub pinned_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub pinned_key: Option<PathBuf>,
    /// A client certificate that was revoked.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub revoked_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub revoked_key: Option<PathBuf>,
    /// A client certificate for the environment that this server is not.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub other_environment_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub other_environment_key: Option<PathBuf>,
    /// A client certificate for another app.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub other_topic_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub other_topic_key: Option<PathBuf>,
    /// A client certificate of the right issuer that names no topic.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub topicless_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub topicless_key: Option<PathBuf>,
    /// The certificate of a phone, for --courier-port.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub device_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub device_key: Option<PathBuf>,
    /// The certificate of a phone that belongs to another team than the client certificate.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub other_team_device_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub other_team_device_key: Option<PathBuf>,

    /// A key for provider tokens, the portal's AuthKey_….p8.
    #[arg(long, value_name = "FILE", requires = "key_id", requires = "team_id", help_heading = LOGIN)]
    pub p8: Option<PathBuf>,
    /// Its ten characters.
    #[arg(long, value_name = "ID", help_heading = LOGIN)]
    pub key_id: Option<String>,
    /// Its team's ten characters.
    #[arg(long, value_name = "ID", help_heading = LOGIN)]
    pub team_id: Option<String>,
    /// A second key for provider tokens, of another team.
    #[arg(long, value_name = "FILE,KEY-ID,TEAM-ID", help_heading = LOGIN)]
    pub other_team_p8: Option<KeyText>,
    /// One for the environment that this server is not.
    #[arg(long, value_name = "FILE,KEY-ID,TEAM-ID", help_heading = LOGIN)]
    pub other_environment_p8: Option<KeyText>,
    /// One of the same team, for some topics only.
    #[arg(long, value_name = "FILE,KEY-ID,TEAM-ID", help_heading = LOGIN)]
    pub limited_p8: Option<KeyText>,

    /// A device token the server accepts with this certificate; may be repeated. Without one, the observer's REST API makes some.
    #[arg(long, value_name = "HEX")]
    pub good_token: Vec<TokenText>,
    /// A device token of the right length that it refuses; may be repeated. `random`: every token that nobody gave out is refused.
    #[arg(long, value_name = "HEX")]
    pub bad_token: Vec<BadToken>,
    /// The longest payload it takes, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 2048)]
    pub payload_limit: u16,

    /// A device token that makes the server say status 10 and close.
    #[arg(long, value_name = "HEX")]
    pub shutdown_token: Option<TokenText>,
    /// Who sees what was delivered: the REST API of apns-simulator, http://127.0.0.1:22004.
    #[arg(long, value_name = "URL", help_heading = OBSERVER)]
    pub observer: Option<RestAddress>,
    /// The same, by a shell command: it prints a line {"payload": …} for each notification whose payload contains
    /// $APNS_CONFORMANCE_TEXT and that was delivered so far.
    #[arg(long, value_name = "CMD", conflicts_with = "observer", help_heading = OBSERVER)]
    pub observer_command: Option<String>,
    /// Which environment the server is. The REST API makes phones for both.
    #[arg(long, value_enum, help_heading = OBSERVER)]
    pub environment: Option<Environment>,
    /// A shell command that prints a token, in hex, whose app was on a phone and is not any more: another one each time.
    #[arg(long, value_name = "CMD", help_heading = OBSERVER)]
    pub gone_command: Option<String>,
    /// The app's bundle id, where the certificate does not say.
    #[arg(long, value_name = "BUNDLE-ID", help_heading = OBSERVER)]
    pub topic: Option<String>,
    /// Seconds a token may take from a push to the feedback list.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5", help_heading = OBSERVER)]
    pub feedback_delay: Duration,

    /// How many notifications are pipelined where there should be many.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pub burst: u32,
    /// Seconds of silence after which nothing more is expected.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0.3")]
    pub quiet: Duration,
    /// Seconds the server gives a frame from its first byte to its last.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub frame_timeout: Option<Duration>,

    /// Which cases, and how they are reported.
    #[command(flatten)]
    pub run: RunOptions,
}

impl Options {
    /// The server, as reports name it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", self.host, self.port.unwrap_or_default())
    }
}

/// Where a REST API is, as a URL or without `http://`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestAddress(pub SocketAddr);

impl FromStr for RestAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.strip_prefix("http://").unwrap_or(text);
        let address = address
            .trim_end_matches('/')
            .replace("localhost", "127.0.0.1");
        address
            .parse()
            .map(Self)
            .map_err(|_| "write http://ADDRESS:PORT".to_owned())
    }
}

/// A key for provider tokens as it is written on a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyText {
    /// The `.p8` file.
    pub file: PathBuf,
    /// The key's ten characters.
    pub key_id: String,
    /// Its team's ten characters.
    pub team_id: String,
}

impl FromStr for KeyText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplitn(3, ',').collect::<Vec<_>>()[..] {
            [team_id, key_id, file] if !file.is_empty() => Ok(Self {
                file: file.into(),
                key_id: key_id.to_owned(),
                team_id: team_id.to_owned(),
            }),
            _ => Err("write FILE,KEY-ID,TEAM-ID".to_owned()),
        }
    }
}

/// A device token as it is written on a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenText(pub Vec<u8>);

impl FromStr for TokenText {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        let digits: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '<' | '>'))
            .collect();
        match HEXLOWER_PERMISSIVE.decode(digits.as_bytes()) {
            Ok(token) if !token.is_empty() => Ok(Self(token)),
            _ => Err(NoToken),
        }
    }
}

/// A token the server refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadToken {
    /// This one.
    This(TokenText),
    /// Any that nobody gave out.
    Random,
}

impl FromStr for BadToken {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        if text == "random" {
            Ok(Self::Random)
        } else {
            text.parse().map(Self::This)
        }
    }
}

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoToken;

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device token is written in hexadecimal digits")
    }
}

impl std::error::Error for NoToken {}
