//! What the portal knows, as JSON.

use std::time::SystemTime;

use apns_certs::portal::{AppId, AuthKey, IdentifierKind, Issued, PushStatus, Status};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::time;

/// What a push certificate is for
#[derive(ToSchema)]
#[schema(as = CertificateKind, rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum KindName {
    Development,
    Production,
    #[schema(rename = "development-mac")]
    DevelopmentMac,
    #[schema(rename = "production-mac")]
    ProductionMac,
    Universal,
    Voip,
    Watchkit,
    Web,
    Pass,
    Mdm,
}

/// An App ID
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AppId)]
pub(in crate::rest) struct AppIdView {
    id: String,
    /// `app`, `wildcard`, `website`, `pass` or `management`.
    #[schema(value_type = String)]
    kind: IdentifierKind,
    /// "Development Push SSL Certificate": `unavailable`, `off`, `configurable` or `enabled`.
    #[schema(value_type = String)]
    development: PushStatus,
    /// "Production Push SSL Certificate".
    #[schema(value_type = String)]
    production: PushStatus,
}

/// A certificate
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Certificate)]
pub(in crate::rest) struct CertificateView {
    /// Its number in hex.
    serial: String,
    kind: &'static str,
    app_id: String,
    topic: String,
    common_name: String,
    /// The fingerprint: SHA-256 of its DER in hex.
    sha256: String,
    not_before: String,
    not_after: String,
    /// `active`, `expired` or `revoked`.
    #[schema(value_type = String)]
    status: Status,
}

/// A key
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub(super) struct KeyView {
    key_id: String,
    name: String,
    created: String,
}

impl AppIdView {
    pub(super) fn of(app_id: &AppId) -> Self {
        Self {
            id: app_id.id.to_string(),
            kind: app_id.kind,
            development: app_id.development,
            production: app_id.production,
        }
    }
}

impl CertificateView {
    pub(super) fn of(issued: &Issued, now: SystemTime) -> Self {
        Self {
            serial: issued.serial.to_string(),
            kind: issued.kind.as_str(),
            app_id: issued.app_id.to_string(),
            topic: issued.topic.clone(),
            common_name: issued.common_name.clone(),
            sha256: issued.pin.to_string(),
            not_before: time::text(issued.not_before),
            not_after: time::text(issued.not_after),
            status: issued.status(now),
        }
    }
}

impl KeyView {
    pub(super) fn of(key: &AuthKey) -> Self {
        Self {
            key_id: key.key_id.clone(),
            name: key.name.clone(),
            created: time::text(key.created),
        }
    }
}
