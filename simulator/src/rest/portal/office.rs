//! The developer portal of each project: its team's App IDs, certificates and keys, in memory, under the simulator's CA. A reset of the project leaves
//! it alone: who has a certificate keeps it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use apns_certs::csr::{self, SigningRequest};
use apns_certs::portal::{
    AppId, AuthKey, Identifier, Issued, NewAuthKey, Order, Portal, PortalError, Serial,
};
use apns_certs::{Ca, DEFAULT_ORGANIZATION, KeyKind, Kind, Minted};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::provider_api::ProviderKey;

/// Of each kind of thing a portal remembers.
const LEN_MAX: usize = 10_000;
/// Portals.
const OFFICES_MAX: usize = 1_000;

/// Every project's portal.
#[derive(Debug, Default)]
pub(in crate::rest) struct Offices {
    ca: Option<Arc<Ca>>,
    offices: Mutex<HashMap<Arc<str>, Arc<Office>>>,
}

/// The portal of one team.
#[derive(Debug)]
pub(super) struct Office {
    team: Arc<str>,
    ca: Arc<Ca>,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    portal: Portal,
    certificates: HashMap<Serial, CertificateDer<'static>>,
}

/// Why an office does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum OfficeError {
    /// The simulator was started without a CA.
    #[error(
        "this simulator has no CA that could sign: start it with one, as `apns-simulator run` does"
    )]
    NoCa,
    /// Too many of something.
    #[error(
        "the portal holds no more than {LEN_MAX} App IDs, certificates or keys, and {OFFICES_MAX} teams: restart the simulator"
    )]
    Full,
    /// The portal says no.
    #[error(transparent)]
    Portal(#[from] PortalError),
}

impl Offices {
    pub(in crate::rest) fn new(ca: Option<Arc<Ca>>) -> Self {
        Self {
            ca,
            offices: Mutex::default(),
        }
    }

    /// A team's portal, opened if it is the first time.
    pub(super) fn of(&self, team: &str) -> Result<Arc<Office>, OfficeError> {
        let ca = self.ca.clone().ok_or(OfficeError::NoCa)?;
        let mut offices = lock(&self.offices);
        if let Some(office) = offices.get(team) {
            return Ok(office.clone());
        }
        if offices.len() >= OFFICES_MAX {
            return Err(OfficeError::Full);
        }
        let office = Arc::new(Office {
            team: team.into(),
            ca,
            books: Mutex::default(),
        });
        offices.insert(office.team.clone(), office.clone());
        Ok(office)
    }
}

impl Office {
    pub(super) fn team(&self) -> &str {
        &self.team
    }

    pub(super) fn ca_pem(&self) -> &str {
        self.ca.cert_pem()
    }

    pub(super) fn app_ids(&self, now: SystemTime) -> Vec<AppId> {
        lock(&self.books).portal.app_ids(now)
    }

    /// Creates an App ID, if it is not there, and enables push for it, if that is wanted.
    pub(super) fn create_app_id(
        &self,
        id: &Identifier,
        push: bool,
        now: SystemTime,
    ) -> Result<(bool, AppId), OfficeError> {
        let Books { portal, .. } = &mut *lock(&self.books);
        let known = portal.app_id(id, now).is_some();
        if !known && portal.app_ids(now).len() >= LEN_MAX {
            return Err(OfficeError::Full);
        }
        portal.create_app_id(id.clone());
        if push {
            portal.enable_push(id)?;
        }
        let app_id = portal.app_id(id, now);
        Ok((!known, app_id.expect("it is there by now")))
    }

    pub(super) fn enable_push(
        &self,
        id: &Identifier,
        now: SystemTime,
    ) -> Result<AppId, OfficeError> {
        let Books { portal, .. } = &mut *lock(&self.books);
        portal.enable_push(id)?;
        Ok(portal
            .app_id(id, now)
            .expect("push was just enabled for it"))
    }

    /// Issues a certificate for somebody's request.
    pub(super) fn issue(
        &self,
        request: &SigningRequest,
        kind: Kind,
        app_id: Option<Identifier>,
        now: SystemTime,
    ) -> Result<(Issued, CertificateDer<'static>), OfficeError> {
        let order = Order {
            kind,
            app_id,
            team: self.team.to_string(),
            organization: DEFAULT_ORGANIZATION.to_owned(),
        };
        let Books {
            portal,
            certificates,
        } = &mut *lock(&self.books);
        if certificates.len() >= LEN_MAX {
            return Err(OfficeError::Full);
        }
        let (issued, der) = portal.issue(&self.ca, request, &order, now)?;
        certificates.insert(issued.serial, der.clone());
        Ok((issued, der))
    }

    /// Does all that a provider needs in one go: App ID, push, key, request, certificate.
    pub(super) fn equip(
        &self,
        kind: Kind,
        app_id: Option<Identifier>,
        key: KeyKind,
        now: SystemTime,
    ) -> Result<(Issued, Minted), OfficeError> {
        if let Some(id) = app_id.as_ref().filter(|_| kind != Kind::Mdm) {
            self.create_app_id(id, true, now)?;
        }
        let made =
            csr::create("nobody@example.com", kind.as_str(), key).map_err(PortalError::Mint)?;
        let request = csr::read(made.request_pem.as_bytes()).expect("we wrote the request");
        let (issued, der) = self.issue(&request, kind, app_id, now)?;
        Ok((issued, Minted::from_der(der, made.key_pem)))
    }

    pub(super) fn certificates(&self) -> Vec<Issued> {
        lock(&self.books).portal.certificates().to_vec()
    }

    /// A certificate as it can be downloaded.
    pub(super) fn certificate(
        &self,
        serial: &Serial,
    ) -> Result<(Issued, CertificateDer<'static>), OfficeError> {
        let books = lock(&self.books);
        let issued = books.portal.certificate(serial)?.clone();
        let der = books.certificates.get(serial);
        Ok((issued, der.expect("it was kept when it was issued").clone()))
    }

    pub(super) fn revoke(&self, serial: &Serial, now: SystemTime) -> Result<Issued, OfficeError> {
        Ok(lock(&self.books).portal.revoke(serial, now)?)
    }

    pub(super) fn keys(&self) -> Vec<AuthKey> {
        lock(&self.books).portal.keys().to_vec()
    }

    /// Makes a key: what APNs is to know of it, and what its owner is given.
    pub(super) fn create_key(
        &self,
        name: &str,
        now: SystemTime,
    ) -> Result<(ProviderKey, NewAuthKey), OfficeError> {
        let Books { portal, .. } = &mut *lock(&self.books);
        if portal.keys().len() >= LEN_MAX {
            return Err(OfficeError::Full);
        }
        let made = portal.create_key(name, now).map_err(PortalError::Mint)?;
        let key = portal.keys().last();
        let key = key.and_then(|key| ProviderKey::from_portal(key, &self.team));
        Ok((key.expect("the portal has just written it"), made))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
