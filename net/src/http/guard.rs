//! Who may ask an API that asks nobody for a password: only who reaches it under a name of this machine, which a web page that rebinds its
//! own name cannot; and nobody changes anything for a page of another origin.

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method};

/// The names of this machine that are always answered to.
pub const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// HTTP/1.1 wants one Host header [RFC 9112, 3.2].
    #[error("a request has exactly one Host header")]
    HostCount,
    /// It is not a name and a port.
    #[error("the Host header is not a name and a port")]
    HostSyntax,
    /// A name of somebody else's.
    #[error(
        "{host} is not a name of this API, which answers to {known} alone (against DNS rebinding)"
    )]
    Host {
        /// What was asked for.
        host: String,
        /// What is answered to.
        known: String,
    },
    /// A change for a page of another origin.
    #[error(
        "this page's origin may not change anything here: only pages of this API's own origin may"
    )]
    Origin,
    /// A change for a page of another site.
    #[error("a page of another site may not change anything here")]
    Site,
}

/// Lets a request through that names one of [`HOSTS`] or `hosts`, and changes something only for a script or a page of our own.
///
/// # Errors
///
/// Why not.
pub fn check(hosts: &[String], method: &Method, headers: &HeaderMap) -> Result<(), Refused> {
    let mut host = headers.get_all(HOST).iter();
    let (Some(host), None) = (host.next(), host.next()) else {
        return Err(Refused::HostCount);
    };
    let host = host
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Authority>().ok())
        .ok_or(Refused::HostSyntax)?;
    let known = || {
        HOSTS
            .iter()
            .copied()
            .chain(hosts.iter().map(String::as_str))
    };
    if !known().any(|known| known.eq_ignore_ascii_case(host.host())) {
        return Err(Refused::Host {
            host: host.host().to_owned(),
            known: known().collect::<Vec<_>>().join(", "),
        });
    }
    if method.is_safe() {
        return Ok(());
    }
    let own = |origin: &str| {
        origin
            .strip_prefix("http://")
            .is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
    };
    if let Some(origin) = headers.get(ORIGIN)
        && !origin.to_str().is_ok_and(own)
    {
        return Err(Refused::Origin);
    }
    let site = HeaderName::from_static("sec-fetch-site");
    if let Some(site) = headers.get(site)
        && !matches!(site.as_bytes(), b"same-origin" | b"none")
    {
        return Err(Refused::Site);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, headers: &[(&'static str, &str)]) -> Result<(), Refused> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        check(&["sim.example".to_owned()], &method, &map)
    }

    #[test]
    fn only_names_of_this_machine_and_the_configured_one_are_answered() {
        for host in [
            "localhost",
            "localhost:22004",
            "LOCALHOST:1",
            "127.0.0.1:22004",
            "[::1]:22004",
            "sim.example:80",
        ] {
            assert_eq!(asked(Method::GET, &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com:22004",
            "0.0.0.0",
        ] {
            let refused = asked(Method::GET, &[("host", host)]);
            assert!(matches!(refused, Err(Refused::Host { .. })), "{host}");
        }
        assert_eq!(asked(Method::GET, &[]), Err(Refused::HostCount));
        assert_eq!(
            asked(Method::GET, &[("host", "a b")]),
            Err(Refused::HostSyntax)
        );
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(asked(Method::GET, &twice), Err(Refused::HostCount));
    }

    #[test]
    fn a_page_of_another_origin_reads_nothing_it_could_not_and_changes_nothing() {
        let host = ("host", "localhost:22004");
        for method in [Method::POST, Method::DELETE, Method::PATCH, Method::PUT] {
            let asked = |header| asked(method.clone(), &[host, header]);
            assert_eq!(asked(("origin", "http://localhost:22004")), Ok(()));
            assert_eq!(asked(("sec-fetch-site", "same-origin")), Ok(()));
            for origin in [
                "http://localhost:3000",
                "https://localhost:22004",
                "http://example.com",
                "null",
            ] {
                assert_eq!(asked(("origin", origin)), Err(Refused::Origin), "{origin}");
            }
            for site in ["cross-site", "same-site"] {
                assert_eq!(
                    asked(("sec-fetch-site", site)),
                    Err(Refused::Site),
                    "{site}"
                );
            }
        }
        let cross = [host, ("origin", "http://example.com")];
        assert_eq!(asked(Method::GET, &cross), Ok(()));
    }
}
