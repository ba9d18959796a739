//! The certificates and keys that the user gave.

use std::path::Path;

use super::forged;
use super::http2::ProviderKey;
use super::options::{KeyText, Options};
use crate::case::{Failed, Need};
use crate::cli::Failure;
use crate::link::Login;

/// All of them.
#[derive(Debug)]
pub(super) struct Papers {
    /// With which the suite logs in, unless a case is about another.
    pub(super) login: Login,
    logins: Vec<(Need, Login)>,
    keys: Vec<(Need, ProviderKey)>,
}

impl Papers {
    /// Reads them.
    pub(super) fn read(options: &Options) -> Result<Self, Failure> {
        let certificate = options
            .cert
            .as_deref()
            .ok_or_else(|| Failure::new(Failure::USAGE, "--cert is missing"))?;
        Ok(Self {
            login: login(certificate, options.key.as_deref())?,
            logins: logins(options)?,
            keys: keys(options)?,
        })
    }

    /// Whether there is what `need` is about.
    pub(super) fn has(&self, need: Need) -> bool {
        self.login_of(need).is_ok() || self.key_of(need).is_ok()
    }

    /// The certificate that `need` is about.
    pub(super) fn login_of(&self, need: Need) -> Result<&Login, Failed> {
        given(&self.logins, need)
    }

    /// The key for provider tokens that `need` is about.
    pub(super) fn key_of(&self, need: Need) -> Result<&ProviderKey, Failed> {
        given(&self.keys, need)
    }
}

fn given<T>(all: &[(Need, T)], need: Need) -> Result<&T, Failed> {
    let found = all.iter().find(|(of, _)| *of == need);
    found
        .map(|(_, it)| it)
        .ok_or_else(|| Failed(format!("no {} was given", need.option())))
}

/// A login like `login`, of an issuer that nobody knows: not even its name, or just that.
pub(super) fn forged(login: &Login, known_name: bool) -> Result<Login, Failed> {
    let Login::Certificate { chain, .. } = login else {
        return Err(Failed::because("there is no certificate to forge"));
    };
    let own = chain
        .first()
        .ok_or_else(|| Failed::because("an empty chain"))?;
    forged::forge(own, known_name)
        .map_err(|error| Failed(format!("the certificate cannot be forged: {error}")))
}

/// The certificates that single cases are about.
fn logins(options: &Options) -> Result<Vec<(Need, Login)>, Failure> {
    let given = [
        (
            Need::ExpiredCertificate,
            &options.expired_cert,
            &options.expired_key,
        ),
        (
            Need::PinnedCertificate,
            &options.pinned_cert,
            &options.pinned_key,
        ),
        (
            Need::RevokedCertificate,
            &options.revoked_cert,
            &options.revoked_key,
        ),
        (
            Need::OtherEnvironmentCertificate,
            &options.other_environment_cert,
            &options.other_environment_key,
        ),
        (
            Need::OtherTopicCertificate,
            &options.other_topic_cert,
            &options.other_topic_key,
        ),
        (
            Need::TopiclessCertificate,
            &options.topicless_cert,
            &options.topicless_key,
        ),
        (
            Need::DeviceCertificate,
            &options.device_cert,
            &options.device_key,
        ),
        (
            Need::OtherTeamDeviceCertificate,
            &options.other_team_device_cert,
            &options.other_team_device_key,
        ),
    ];
    given
        .into_iter()
        .filter_map(|(need, certificate, key)| {
            let certificate = certificate.as_deref()?;
            Some(login(certificate, key.as_deref()).map(|login| (need, login)))
        })
        .collect()
}

/// The keys for provider tokens.
fn keys(options: &Options) -> Result<Vec<(Need, ProviderKey)>, Failure> {
    let (p8, key_id, team_id) = (&options.p8, &options.key_id, &options.team_id);
    let own = p8.as_ref().zip(key_id.as_ref()).zip(team_id.as_ref());
    let own = own.map(|((file, key_id), team_id)| KeyText {
        file: file.clone(),
        key_id: key_id.clone(),
        team_id: team_id.clone(),
    });
    let given = [
        (Need::ProviderKey, own),
        (Need::OtherTeamKey, options.other_team_p8.clone()),
        (
            Need::OtherEnvironmentKey,
            options.other_environment_p8.clone(),
        ),
        (Need::LimitedKey, options.limited_p8.clone()),
    ];
    given
        .into_iter()
        .filter_map(|(need, key)| {
            let key = key?;
            let read = ProviderKey::read(&key.file, &key.key_id, &key.team_id);
            let read = read.map_err(|error| Failure::new(Failure::USAGE, error));
            Some(read.map(|key| (need, key)))
        })
        .collect()
}

fn login(certificate: &Path, key: Option<&Path>) -> Result<Login, Failure> {
    Login::read(certificate, key).map_err(|error| Failure::usage(&error))
}
