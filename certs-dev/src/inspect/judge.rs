//! What is wrong with a certificate, and who would take it.

use apns_net::credentials::{CertificateInfo, Environment, Environments};

use super::certificate::{Issuer, Who};
use super::finding::{Code, Finding};
use super::role::{Role, push_kind};
use super::verdict::Verdict;
use super::words::{State, Validity, date};
use super::{key, name};
use crate::public_key::PublicKeyKind;
use crate::shell::Word;

/// One certificate before the judges.
pub(super) struct Case<'a> {
    pub(super) name: &'a str,
    pub(super) info: &'a CertificateInfo,
    pub(super) role: Role,
    pub(super) key: &'a PublicKeyKind,
    pub(super) issuer: &'a Issuer,
    pub(super) validity: &'a Validity,
    pub(super) signature: &'a str,
    pub(super) shown_by_clients: bool,
}

impl Case<'_> {
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.validity_finding());
        findings.extend(self.environment_finding());
        findings.extend(self.purpose_finding());
        findings.extend(self.key_finding());
        findings.extend(self.signature_finding());
        findings.extend(self.issuer_finding());
        findings
    }

    /// How the portal issues such a certificate anew.
    fn renewal(&self) -> Option<String> {
        let topic = self.info.topic.as_deref()?;
        let (_, kind) = push_kind(self.info);
        let id = match kind {
            "voip" => topic.strip_suffix(".voip").unwrap_or(topic),
            _ => topic.strip_suffix(".complication").unwrap_or(topic),
        };
        Some(format!(
            "apns-certs issue --csr Push.certSigningRequest --app-id {} --kind {kind}",
            Word(id)
        ))
    }

    fn with_renewal(&self, finding: Finding) -> Finding {
        match self.renewal().filter(|_| self.role == Role::Push) {
            Some(command) => finding.mend(command),
            None => finding,
        }
    }

    fn validity_finding(&self) -> Option<Finding> {
        let Validity {
            state,
            words,
            not_before,
            not_after,
        } = self.validity;
        Some(match state {
            State::Valid => return None,
            State::Expired => self.with_renewal(Finding::new(
                Code::Expired,
                format!(
                    "{words}, on {}: no server takes it but an apns-gateway that pins it; have a new one issued",
                    date(not_after)
                ),
            )),
            State::NotYetValid => Finding::new(
                Code::NotYetValid,
                format!(
                    "{words}, on {}: wait, or set this machine's clock if it is slow",
                    date(not_before)
                ),
            ),
            State::EndsSoon => self.with_renewal(Finding::new(
                Code::EndsSoon,
                format!(
                    "{words}, on {}: have a new one issued before, with the same key or another",
                    date(not_after)
                ),
            )),
        })
    }

    fn environment_finding(&self) -> Option<Finding> {
        if self.role != Role::Push {
            return None;
        }
        let Environments {
            sandbox,
            production,
        } = self.info.environments;
        let named = name::environment(self.name);
        Some(match (sandbox, production) {
            (true, false) if named == Some(Environment::Production) => Finding::new(
                Code::OtherEnvironment,
                "the file is named for production, and the certificate is for the sandbox: apps from the store are not reached \
                 with it; ask the portal for the production certificate",
            ),
            (false, true) if named == Some(Environment::Sandbox) => Finding::new(
                Code::OtherEnvironment,
                "the file is named for development, and the certificate is for production: apps run from Xcode are not reached \
                 with it; ask the portal for the development certificate",
            ),
            (true, false) => Finding::new(
                Code::SandboxOnly,
                "for the sandbox alone: it reaches apps run from Xcode; those from the store, ad hoc and TestFlight need the \
                 production certificate",
            ),
            (false, true) => Finding::new(
                Code::ProductionOnly,
                "for production alone: it reaches apps from the store, ad hoc and TestFlight; those run from Xcode need the \
                 development certificate",
            ),
            _ => return None,
        })
    }

    fn purpose_finding(&self) -> Option<Finding> {
        match self.role {
            Role::Signing => Some(Finding::new(
                Code::SigningCertificate,
                "it signs apps and cannot push: create an \"Apple Push Notification service SSL\" certificate for the App ID \
                 at the portal",
            )),
            Role::Push if !self.shown_by_clients => Some(self.with_renewal(Finding::new(
                Code::NoClientAuth,
                "its extended key usage lacks client authentication: no server takes it from a client; have a new one issued",
            ))),
            Role::Push if self.info.is_voip() => Some(Finding::new(
                Code::Voip,
                "for VoIP pushes: its topic ends in .voip, payloads may have 4096 bytes, and the app must take calls \
                 (PushKit); alerts need the app's own push certificate",
            )),
            _ => None,
        }
    }

    fn key_finding(&self) -> Option<Finding> {
        match self.key {
            kind if kind.has_bad_length() => Some(key::weak(kind, "the certificate's key")),
            kind @ PublicKeyKind::Other(_) => Some(key::other(kind, "the certificate's key")),
            _ => None,
        }
    }

    fn signature_finding(&self) -> Option<Finding> {
        // Who trusts a certificate itself does not look at what it is signed with.
        if self.issuer.who == Who::Itself {
            return None;
        }
        let signature = self.signature.to_ascii_lowercase();
        if ["md5", "md4", "md2"]
            .iter()
            .any(|old| signature.contains(old))
        {
            Some(self.with_renewal(Finding::new(
                Code::Md5Signature,
                format!(
                    "signed with {}, which proves nothing any more: have a new one issued",
                    self.signature
                ),
            )))
        } else if signature.contains("sha1") {
            Some(self.with_renewal(Finding::new(
                Code::Sha1Signature,
                format!(
                    "signed with {}: TLS libraries no longer follow such a signature, an apns-gateway must pin it; have a \
                     new one issued",
                    self.signature
                ),
            )))
        } else {
            None
        }
    }

    fn issuer_finding(&self) -> Option<Finding> {
        if self.role == Role::Ca {
            return None;
        }
        match self.issuer.who {
            Who::Apple => None,
            Who::Itself => Some(Finding::new(
                Code::SelfSigned,
                "self-signed: it is taken only where exactly this certificate is pinned",
            )),
            Who::StandIn => Some(Finding::new(
                Code::NotApple,
                "issued by a development stand-in: good for the simulator and for a gateway that trusts its CA, not for Apple",
            )),
            Who::Unknown => Some(Finding::new(
                Code::NotApple,
                "not issued by Apple: good where its issuer is trusted or it is pinned, not for Apple",
            )),
        }
    }

    /// What both judges refuse.
    fn unfit(&self) -> Option<String> {
        if self.key.has_bad_length() || matches!(self.key, PublicKeyKind::Other(_)) {
            Some(format!("TLS does not take its key, {}", self.key))
        } else {
            None
        }
    }

    /// Whether today's APNs would take it.
    pub(super) fn apns(&self) -> Verdict {
        let Environments {
            sandbox,
            production,
        } = self.info.environments;
        let hosts = match (sandbox, production) {
            (true, true) => "api.push.apple.com and api.sandbox.push.apple.com",
            (true, false) => "api.sandbox.push.apple.com alone",
            (false, true) => "api.push.apple.com alone",
            (false, false) => "",
        };
        if self.role != Role::Push {
            Verdict::no("it is not a push certificate")
        } else if self.issuer.who != Who::Apple {
            Verdict::no("Apple did not issue it")
        } else if let Some(why) = self.unfit() {
            Verdict::no(why)
        } else if matches!(self.validity.state, State::Expired | State::NotYetValid) {
            Verdict::no(self.validity.words.clone())
        } else if hosts.is_empty() {
            Verdict::no("it names neither environment")
        } else {
            // The issuer's name is all that can be looked at here.
            Verdict::on_condition(format!(
                "if Apple really issued and has not revoked it: at {hosts}"
            ))
        }
    }

    /// Whether apns-gateway would take it from a backend, or as its own.
    pub(super) fn gateway(&self) -> Verdict {
        if let Some(why) = self.unfit() {
            return Verdict::no(why);
        }
        const PINNED: &str = "pinned: its pin in a [[backend]]";
        let in_time = matches!(self.validity.state, State::Valid | State::EndsSoon);
        match self.role {
            Role::Ca if in_time => {
                Verdict::yes("as listen.client_ca, for the certificates it issued")
            }
            Role::Server if in_time => Verdict::yes("as its own: listen.certificate"),
            Role::Ca | Role::Server => Verdict::no(self.validity.words.clone()),
            Role::Signing => Verdict::no("it is not a push certificate"),
            Role::Push
                if in_time
                    && self.shown_by_clients
                    && self.info.topic.is_some()
                    && !self.info.environments.is_empty()
                    && self.signature_finding().is_none()
                    && self.issuer.who != Who::Itself =>
            {
                Verdict::yes(format!("by its CA in listen.client_ca, or {PINNED}"))
            }
            Role::Push | Role::Client | Role::Other => Verdict::on_condition(PINNED),
        }
    }
}
