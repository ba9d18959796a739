//! What a user says about the server.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use data_encoding::HEXLOWER_PERMISSIVE;

use crate::cli::{RunOptions, seconds};

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
    #[arg(long, value_name = "FILE", required_unless_present = "list")]
    pub cert: Option<PathBuf>,
    /// Its key, PEM, where it is not in the same file.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The CA behind the server's certificate, PEM; without it any server is believed.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// A device token the server accepts with this certificate; may be repeated.
    #[arg(long, value_name = "HEX")]
    pub good_token: Vec<TokenText>,
    /// A device token of the right length that it refuses; may be repeated. `random`: every token that nobody gave out is refused.
    #[arg(long, value_name = "HEX")]
    pub bad_token: Vec<BadToken>,
    /// The longest payload it takes, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 2048)]
    pub payload_limit: u16,

    /// How many notifications are pipelined where there should be many.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pub burst: u32,
    /// Seconds of silence after which nothing more is expected.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0.3")]
    pub quiet: Duration,

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
