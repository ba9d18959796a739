//! The developer portal: App IDs, whether push is enabled for them, and the certificates issued.
//!
//! A [`Portal`] is a value: its methods take the CA and the time, and reach for nothing outside but randomness.
//! [`PortalDir`](crate::portal_dir::PortalDir) keeps one in a folder.

mod app_id;
mod auth_key;
mod error;
mod issued;

use std::collections::BTreeMap;
use std::time::SystemTime;

use apns_net::credentials::Pin;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::ca::Ca;
use crate::csr::SigningRequest;
use crate::mint::{KeyKind, MintError, Validity};
use crate::push::{DEFAULT_ORGANIZATION, DEFAULT_TEAM, Kind, PushCertificate};
use crate::rfc3339::whole_seconds;

pub use app_id::{Identifier, IdentifierError, IdentifierKind, PushStatus};
pub use auth_key::{AuthKey, NewAuthKey};
pub use error::PortalError;
pub use issued::{Issued, Serial, SerialError, Status};

/// What the portal remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portal {
    app_ids: BTreeMap<Identifier, Services>,
    certificates: Vec<Issued>,
    keys: Vec<AuthKey>,
}

/// What an App ID may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Services {
    push: bool,
}

/// An App ID, as the portal's list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppId {
    /// The identifier.
    pub id: Identifier,
    /// What it is for.
    pub kind: IdentifierKind,
    /// "Development Push SSL Certificate".
    pub development: PushStatus,
    /// "Production Push SSL Certificate".
    pub production: PushStatus,
}

/// A certificate one wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What it is to be for.
    pub kind: Kind,
    /// Which identifier it is to be for. Only [`Kind::Mdm`] needs none: it has its own made up.
    pub app_id: Option<Identifier>,
    /// The team id it shows.
    pub team: String,
    /// The company it shows.
    pub organization: String,
}

impl Order {
    /// An order by the portal's default team.
    pub fn new(kind: Kind, app_id: Option<Identifier>) -> Self {
        Self {
            kind,
            app_id,
            team: DEFAULT_TEAM.to_owned(),
            organization: DEFAULT_ORGANIZATION.to_owned(),
        }
    }
}

impl Portal {
    /// Registers an identifier; says whether it is new. Website and pass identifiers are for push alone and have it from the start.
    pub fn create_app_id(&mut self, id: Identifier) -> bool {
        let push = matches!(id.kind(), IdentifierKind::Website | IdentifierKind::Pass);
        let known = self.app_ids.contains_key(&id);
        self.app_ids.entry(id).or_insert(Services { push });
        !known
    }

    /// Enables push for an App ID; says whether that is new.
    ///
    /// # Errors
    /// The App ID does not exist or has a wildcard.
    pub fn enable_push(&mut self, id: &Identifier) -> Result<bool, PortalError> {
        let Some(services) = self.app_ids.get_mut(id) else {
            return Err(self.unknown(id));
        };
        if id.kind() == IdentifierKind::Wildcard {
            return Err(PortalError::Wildcard(id.clone()));
        }
        let before = std::mem::replace(&mut services.push, true);
        Ok(!before)
    }

    /// Every App ID in alphabetical order.
    pub fn app_ids(&self, now: SystemTime) -> Vec<AppId> {
        let rows = self.app_ids.iter();
        rows.map(|(id, services)| self.row(id, *services, now))
            .collect()
    }

    /// One App ID.
    pub fn app_id(&self, id: &Identifier, now: SystemTime) -> Option<AppId> {
        let services = self.app_ids.get(id)?;
        Some(self.row(id, *services, now))
    }

    fn row(&self, id: &Identifier, services: Services, now: SystemTime) -> AppId {
        let status = |applies: bool, in_environment: fn(Kind) -> bool| {
            let covered = || {
                self.certificates.iter().any(|issued| {
                    issued.app_id == *id
                        && issued.status(now) == Status::Active
                        && issued.is_for_the_app_itself()
                        && in_environment(issued.kind)
                })
            };
            match id.kind() {
                _ if !applies => PushStatus::Unavailable,
                _ if !services.push => PushStatus::Off,
                _ if covered() => PushStatus::Enabled,
                _ => PushStatus::Configurable,
            }
        };
        AppId {
            kind: id.kind(),
            development: status(id.kind() == IdentifierKind::App, |kind| {
                kind.environments().sandbox
            }),
            production: status(id.kind() != IdentifierKind::Wildcard, |kind| {
                kind.environments().production
            }),
            id: id.clone(),
        }
    }

    /// Issues a certificate for the key of a signing request, valid for a year from now, and remembers it.
    ///
    /// # Errors
    /// The identifier does not exist, does not fit the kind or has no push, or the CA cannot sign.
    pub fn issue(
        &mut self,
        ca: &Ca,
        request: &SigningRequest,
        order: &Order,
        now: SystemTime,
    ) -> Result<(Issued, CertificateDer<'static>), PortalError> {
        let app_id = self.entitled(order)?;
        let certificate = PushCertificate {
            kind: order.kind,
            topic: app_id.to_string(),
            team: order.team.clone(),
            organization: order.organization.clone(),
            // Not made here: the request has one.
            key: KeyKind::default(),
            validity: Validity::year_from(whole_seconds(now)),
        };
        let serial = Serial::random()?;
        let der = ca.certify(&certificate, request, serial.as_bytes())?;
        let issued = Issued {
            serial,
            kind: order.kind,
            app_id,
            topic: certificate.user_id(),
            common_name: certificate.common_name(),
            key: request.key.to_string(),
            pin: Pin::of(&der),
            not_before: certificate.validity.not_before,
            not_after: certificate.validity.not_after,
            revoked: None,
        };
        self.certificates.push(issued.clone());
        Ok((issued, der))
    }

    /// The identifier that a certificate may be issued for.
    fn entitled(&self, order: &Order) -> Result<Identifier, PortalError> {
        let Some(id) = &order.app_id else {
            return match order.kind {
                Kind::Mdm => Ok(Identifier::management()?),
                kind => Err(PortalError::NoAppId(kind)),
            };
        };
        let wanted = match order.kind {
            Kind::Mdm => IdentifierKind::Management,
            Kind::Website => IdentifierKind::Website,
            Kind::Pass => IdentifierKind::Pass,
            _ => IdentifierKind::App,
        };
        match id.kind() {
            IdentifierKind::Wildcard => return Err(PortalError::Wildcard(id.clone())),
            kind if kind != wanted => {
                return Err(PortalError::Misfit {
                    id: id.clone(),
                    kind: order.kind,
                    wanted,
                });
            }
            // Nobody registers these: whoever renews one names it.
            IdentifierKind::Management => return Ok(id.clone()),
            _ => {}
        }
        match self.app_ids.get(id) {
            None => Err(self.unknown(id)),
            Some(Services { push: false }) => Err(PortalError::PushNotEnabled(id.clone())),
            Some(Services { push: true }) => Ok(id.clone()),
        }
    }

    /// Every certificate issued, oldest first.
    pub fn certificates(&self) -> &[Issued] {
        &self.certificates
    }

    /// The certificate of that number.
    ///
    /// # Errors
    /// The portal issued none.
    pub fn certificate(&self, serial: &Serial) -> Result<&Issued, PortalError> {
        let mut certificates = self.certificates.iter();
        certificates
            .find(|issued| issued.serial == *serial)
            .ok_or_else(|| self.not_issued(serial.to_string()))
    }

    /// The certificate of that fingerprint.
    ///
    /// # Errors
    /// The portal issued none.
    pub fn certificate_by_pin(&self, pin: &Pin) -> Result<&Issued, PortalError> {
        let mut certificates = self.certificates.iter();
        certificates
            .find(|issued| issued.pin == *pin)
            .ok_or_else(|| self.not_issued(format!("SHA-256 {pin}")))
    }

    /// Revokes a certificate; one that is revoked already stays so since then.
    ///
    /// # Errors
    /// The portal issued none of that number.
    pub fn revoke(&mut self, serial: &Serial, now: SystemTime) -> Result<Issued, PortalError> {
        let mut certificates = self.certificates.iter_mut();
        let Some(issued) = certificates.find(|issued| issued.serial == *serial) else {
            return Err(self.not_issued(serial.to_string()));
        };
        issued.revoked.get_or_insert_with(|| whole_seconds(now));
        Ok(issued.clone())
    }

    /// Whether this is a certificate the portal revoked.
    pub fn is_revoked(&self, pin: &Pin) -> bool {
        self.certificate_by_pin(pin)
            .is_ok_and(|issued| issued.revoked.is_some())
    }

    /// Makes a key for provider tokens and remembers its public half.
    ///
    /// # Errors
    /// This machine cannot generate keys.
    pub fn create_key(&mut self, name: &str, now: SystemTime) -> Result<NewAuthKey, MintError> {
        let (key, made) = AuthKey::generate(name, whole_seconds(now))?;
        self.keys.push(key);
        Ok(made)
    }

    /// Every key made, oldest first.
    pub fn keys(&self) -> &[AuthKey] {
        &self.keys
    }

    fn unknown(&self, id: &Identifier) -> PortalError {
        PortalError::UnknownAppId {
            id: id.clone(),
            known: self.app_ids.keys().cloned().collect(),
        }
    }

    fn not_issued(&self, wanted: String) -> PortalError {
        PortalError::NotIssued {
            wanted,
            issued: self.certificates.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
