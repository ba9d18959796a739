//! Chapter 5, and what chapter 1 says about certificates: who is let in, and with which alert not.

use tokio_rustls::rustls::AlertDescription as Alert;

use super::papers::forged;
use super::{Trial, case};
use crate::bytes::framed;
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Failed, Lane, Need, Profile};
use crate::clause::Clause;
use crate::link::{Ending, Heard, Login, NoLink};

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    case(
        "no-certificate",
        "a client without a certificate cannot send",
        &[Clause::of("P-02")],
        AppleSays,
        |t| Box::pin(async move { t.not_let_in(&Login::Nobody).await }),
    ),
    case(
        "no-certificate-ends-the-handshake",
        "without a certificate the handshake fails",
        &[Clause::of("P-02")],
        OurChoice,
        |t| Box::pin(handshake_fails(t)),
    ),
    case(
        "certificate-of-an-unknown-issuer",
        "a certificate that looks right, of an issuer the server does not know, is refused",
        &[Clause::of("P-06")],
        Observed,
        |t| Box::pin(async move { t.not_let_in(&forged(&t.target().papers.login, true)?).await }),
    ),
    case(
        "alert-of-an-unknown-issuer",
        "a certificate of an unknown issuer is refused with the alert unknown_ca",
        &[Clause::of("P-06")],
        OurChoice,
        |t| {
            Box::pin(async move {
                alert(
                    t,
                    &forged(&t.target().papers.login, false)?,
                    Alert::UnknownCA,
                )
                .await
            })
        },
    ),
    case(
        "expired-certificate",
        "a certificate that has expired is refused",
        &[Clause::of("P-64"), Clause::of("P-06")],
        Observed,
        |t| {
            Box::pin(async move {
                t.not_let_in(t.target().papers.login_of(Need::ExpiredCertificate)?)
                    .await
            })
        },
    )
    .needs(&[Need::ExpiredCertificate]),
    case(
        "alert-of-an-expired-certificate",
        "a certificate that has expired is refused with the alert certificate_expired",
        &[Clause::of("P-06")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let login = t.target().papers.login_of(Need::ExpiredCertificate)?;
                alert(t, login, Alert::CertificateExpired).await
            })
        },
    )
    .needs(&[Need::ExpiredCertificate]),
    case(
        "pinned-certificate",
        "a certificate that has expired is let in where the operator has pinned it",
        &[Clause::of("P-64")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let login = t.target().papers.login_of(Need::PinnedCertificate)?;
                let mut link = t
                    .connect_as(login)
                    .await
                    .map_err(|error| Failed(error.to_string()))?;
                link.send(&framed(7, &[], &t.payload())).await?;
                t.answered(&mut link, 2, 7).await
            })
        },
    )
    .needs(&[Need::PinnedCertificate])
    .only(&[Profile::Bridge]),
    case(
        "revoked-certificate",
        "a certificate that was revoked is refused",
        &[Clause::of("P-06")],
        Observed,
        |t| {
            Box::pin(async move {
                t.not_let_in(t.target().papers.login_of(Need::RevokedCertificate)?)
                    .await
            })
        },
    )
    .needs(&[Need::RevokedCertificate]),
    case(
        "certificate-that-cannot-be-read",
        "what is no certificate is refused",
        &[Clause::of("P-06")],
        Observed,
        |t| Box::pin(async move { t.not_let_in(&unreadable(&t.target().papers.login)?).await }),
    ),
    case(
        "alert-of-a-certificate-that-cannot-be-read",
        "what is no certificate is refused with the alert bad_certificate",
        &[Clause::of("P-06")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let login = unreadable(&t.target().papers.login)?;
                alert(t, &login, Alert::BadCertificate).await
            })
        },
    ),
    case(
        "alert-of-a-certificate-without-a-topic",
        "a certificate that names no topic is refused with the alert certificate_unknown",
        &[Clause::of("P-06"), Clause::of("P-60")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let login = t.target().papers.login_of(Need::TopiclessCertificate)?;
                alert(t, login, Alert::CertificateUnknown).await
            })
        },
    )
    .needs(&[Need::TopiclessCertificate]),
    case(
        "certificate-of-the-other-environment",
        "a certificate of the other environment cannot send",
        &[Clause::of("P-05"), Clause::of("P-62")],
        AppleSays,
        |t| {
            Box::pin(async move {
                t.not_let_in(
                    t.target()
                        .papers
                        .login_of(Need::OtherEnvironmentCertificate)?,
                )
                .await
            })
        },
    )
    .needs(&[Need::OtherEnvironmentCertificate]),
    case(
        "alert-of-the-other-environment",
        "a certificate of the other environment is refused with the alert certificate_revoked",
        &[Clause::of("P-05")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let login = t
                    .target()
                    .papers
                    .login_of(Need::OtherEnvironmentCertificate)?;
                alert(t, login, Alert::CertificateRevoked).await
            })
        },
    )
    .needs(&[Need::OtherEnvironmentCertificate]),
    case(
        "certificate-sends-for-its-own-topic",
        "a token of one topic is unknown to the certificate of another",
        &[Clause::of("P-60"), Clause::of("P-02")],
        AppleSays,
        |t| {
            Box::pin(async move {
                let login = t.target().papers.login_of(Need::OtherTopicCertificate)?;
                let mut link = t
                    .connect_as(login)
                    .await
                    .map_err(|error| Failed(error.to_string()))?;
                link.send(&framed(7, t.good()?, &t.payload())).await?;
                t.answered(&mut link, 8, 7).await
            })
        },
    )
    .needs(&[Need::GoodToken, Need::OtherTopicCertificate])
    .lanes(&[Lane::BadTokens]),
];

/// The user's key, and bytes in the place of its certificate.
fn unreadable(login: &Login) -> Result<Login, Failed> {
    let Login::Certificate { key, .. } = login else {
        return Err(Failed::because("there is no key"));
    };
    Ok(Login::Certificate {
        chain: vec![b"not a certificate".to_vec().into()],
        key: key.clone_key(),
    })
}

async fn handshake_fails(t: &Trial) -> Result<(), Failed> {
    match ends_with(t, &Login::Nobody).await? {
        Ending::Alert(_) => Ok(()),
        other => Err(Failed(format!("the connection ended otherwise: {other}"))),
    }
}

async fn alert(t: &Trial, login: &Login, expected: Alert) -> Result<(), Failed> {
    match ends_with(t, login).await? {
        Ending::Alert(alert) if alert == expected => Ok(()),
        other => Err(Failed(format!("expected {expected:?}: {other}"))),
    }
}

/// How a connection that is not to be ends: in the handshake, or at its first read.
async fn ends_with(t: &Trial, login: &Login) -> Result<Ending, Failed> {
    match t.connect_as(login).await {
        Err(NoLink::Refused(ending)) => Ok(ending),
        Err(error) => Err(Failed(error.to_string())),
        Ok(mut link) => match link.hear().await? {
            Heard::End(ending) => Ok(ending),
            Heard::Record(_) => Err(Failed::because("it was served")),
            Heard::Nothing => Err(Failed::because("it was let in")),
        },
    }
}
