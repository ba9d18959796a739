//! Push certificates: for a signing request, or with a key and all.

use std::sync::Arc;

use apns_certs::portal::{Identifier, Serial};
use apns_certs::{KeyKind, Kind, csr};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::Desk;
use super::super::ask::{Asked, Body, In};
use super::super::problem::Problem;
use super::office;
use super::view::{CertificateView, KindName};

/// A certificate one wants for a request of one's own
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct CertificateOrder {
    /// The certificate signing request, in PEM.
    csr: String,
    #[schema(value_type = KindName)]
    kind: Kind,
    /// For which app; only `mdm` needs none.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 155, pattern = "^(\\*|[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*(\\.\\*)?)$")]
    app_id: Option<Identifier>,
}

/// What a provider is to be equipped for
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct CredentialsOrder {
    /// The app; created, with push, if need be.
    #[schema(value_type = String, min_length = 1, max_length = 155, pattern = "^(\\*|[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*(\\.\\*)?)$")]
    app_id: Identifier,
    /// `universal` if nothing is said.
    #[schema(value_type = Option<KindName>)]
    kind: Option<Kind>,
    /// `p256` if nothing is said; `rsa` is for old clients, and takes longer.
    key: Option<KeyName>,
}

/// The kind of a key
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum KeyName {
    P256,
    Rsa,
}

/// Every certificate
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::rest) struct CertificateList {
    certificates: Vec<CertificateView>,
}

/// All a provider needs
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::rest) struct Credentials {
    /// The push certificate, in PEM.
    certificate: String,
    /// Its key, PKCS#8 in PEM.
    private_key: String,
    /// The CA to trust, in PEM.
    ca: String,
    issued: CertificateView,
}

/// Lists the certificates
#[utoipa::path(get, path = "/v1/portal/certificates", tag = "portal", responses((status = 200, body = CertificateList)))]
pub(in crate::rest) async fn list(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
) -> Result<Json<CertificateList>, Problem> {
    let now = asked.project.now();
    let certificates = office(&desk, &asked)?.certificates();
    Ok(Json(CertificateList {
        certificates: certificates
            .iter()
            .map(|issued| CertificateView::of(issued, now))
            .collect(),
    }))
}

/// Issues a certificate for a signing request
#[utoipa::path(
    post, path = "/v1/portal/certificates", tag = "portal", request_body = CertificateOrder,
    responses((status = 201, body = CertificateView))
)]
pub(in crate::rest) async fn issue(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Body(order): Body<CertificateOrder>,
) -> Result<(StatusCode, Json<CertificateView>), Problem> {
    let CertificateOrder { csr, kind, app_id } = order;
    let request = csr::read(csr.as_bytes())?;
    let now = asked.project.now();
    let (issued, _) = office(&desk, &asked)?.issue(&request, kind, app_id, now)?;
    Ok((StatusCode::CREATED, Json(CertificateView::of(&issued, now))))
}

/// Gives a certificate as the portal's download: DER
#[utoipa::path(
    get, path = "/v1/portal/certificates/{serial}/cer", tag = "portal",
    params(("serial" = String, Path, description = "The certificate's number in hex", pattern = "^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){7}$")),
    responses((status = 200, body = Vec<u8>, content_type = "application/pkix-cert"))
)]
pub(in crate::rest) async fn download(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    In(serial): In<String>,
) -> Result<Response, Problem> {
    let (issued, der) = office(&desk, &asked)?.certificate(&parse(&serial)?)?;
    let name = issued.kind.file_stem();
    let headers = [
        (header::CONTENT_TYPE, "application/pkix-cert".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.cer\""),
        ),
    ];
    Ok((headers, der.to_vec()).into_response())
}

/// Revokes a certificate
///
/// Every handshake with it fails from now on, with the alert `certificate_revoked`; connections that are open stay.
#[utoipa::path(
    post, path = "/v1/portal/certificates/{serial}/revoke", tag = "portal",
    params(("serial" = String, Path, description = "The certificate's number in hex", pattern = "^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){7}$")),
    responses((status = 200, body = CertificateView))
)]
pub(in crate::rest) async fn revoke(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    In(serial): In<String>,
) -> Result<Json<CertificateView>, Problem> {
    let now = asked.project.now();
    let issued = office(&desk, &asked)?.revoke(&parse(&serial)?, now)?;
    asked.project.with(|world, _| world.revoke(issued.pin));
    Ok(Json(CertificateView::of(&issued, now)))
}

/// Equips a provider: App ID, push, key and certificate in one go
///
/// The certificate names the project as its team, so what is pushed with it arrives in this project.
#[utoipa::path(
    post, path = "/v1/portal/credentials", tag = "portal", request_body = CredentialsOrder,
    responses((status = 201, body = Credentials))
)]
pub(in crate::rest) async fn equip(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Body(order): Body<CredentialsOrder>,
) -> Result<(StatusCode, Json<Credentials>), Problem> {
    let CredentialsOrder { app_id, kind, key } = order;
    let now = asked.project.now();
    let key = match key.unwrap_or(KeyName::P256) {
        KeyName::P256 => KeyKind::P256,
        KeyName::Rsa => KeyKind::Rsa2048,
    };
    let office = office(&desk, &asked)?;
    // An RSA key takes its time.
    let equipping = tokio::task::spawn_blocking(move || {
        let kind = kind.unwrap_or(Kind::Universal);
        let (issued, minted) = office.equip(kind, Some(app_id), key, now)?;
        Ok::<_, Problem>(Credentials {
            certificate: minted.cert_pem,
            private_key: minted.key_pem,
            ca: office.ca_pem().to_owned(),
            issued: CertificateView::of(&issued, now),
        })
    });
    match equipping.await {
        Ok(credentials) => Ok((StatusCode::CREATED, Json(credentials?))),
        Err(_) => Err(Problem::with_status(
            StatusCode::INTERNAL_SERVER_ERROR,
            "failed",
            "the key could not be made",
        )),
    }
}

fn parse(serial: &str) -> Result<Serial, Problem> {
    serial
        .parse()
        .map_err(|error| Problem::bad("bad_path", error))
}
