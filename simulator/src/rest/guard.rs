//! Who may ask. The API asks nobody for a password; so it answers only who reaches it under a name of this machine, which a web page that rebinds its
//! own name cannot, and changes nothing for a page of another origin.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Desk;
use super::problem::Problem;

/// Longer than anything may be waited for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Lets a request through, or says why not.
pub(super) async fn guard(
    State(desk): State<Arc<Desk>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    check(&desk.hosts, request.method(), request.headers())?;
    Ok(next.run(request).await)
}

/// Ends what takes too long, a body that comes slowly included.
pub(super) async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::with_status(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            format!(
                "the request did not end within {} s",
                REQUEST_TIMEOUT.as_secs()
            ),
        )
        .into_response(),
    }
}

fn check(hosts: &[String], method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let mut host = headers.get_all(HOST).iter();
    let (Some(host), None) = (host.next(), host.next()) else {
        return Err(Problem::bad(
            "bad_host",
            "a request has exactly one Host header",
        ));
    };
    let host = host
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Authority>().ok())
        .ok_or_else(|| Problem::bad("bad_host", "the Host header is not a name and a port"))?;
    let name = host.host();
    let known = HOSTS
        .iter()
        .copied()
        .chain(hosts.iter().map(String::as_str))
        .any(|known| known.eq_ignore_ascii_case(name));
    if !known {
        return Err(Problem::forbidden(
            "forbidden_host",
            format!(
                "{name} is not a name of this API, which answers to {} alone (against DNS rebinding); add a name with --rest-host",
                HOSTS
                    .iter()
                    .copied()
                    .chain(hosts.iter().map(String::as_str))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        ));
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
        return Err(Problem::forbidden(
            "forbidden_origin",
            "this page's origin may not change anything here: only pages of this API's own origin may",
        ));
    }
    let site = HeaderName::from_static("sec-fetch-site");
    if let Some(site) = headers.get(site)
        && !matches!(site.as_bytes(), b"same-origin" | b"none")
    {
        return Err(Problem::forbidden(
            "forbidden_origin",
            "a page of another site may not change anything here",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, headers: &[(&'static str, &str)]) -> Result<(), StatusCode> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        check(&["sim.example".to_owned()], &method, &map)
            .map_err(|problem| problem.into_response().status())
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
            assert_eq!(refused, Err(StatusCode::FORBIDDEN), "{host}");
        }
        let bad = Err(StatusCode::BAD_REQUEST);
        assert_eq!(asked(Method::GET, &[]), bad);
        assert_eq!(asked(Method::GET, &[("host", "a b")]), bad);
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(asked(Method::GET, &twice), bad);
    }

    #[test]
    fn a_page_of_another_origin_reads_nothing_it_could_not_and_changes_nothing() {
        let host = ("host", "localhost:22004");
        let forbidden = Err(StatusCode::FORBIDDEN);
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
                assert_eq!(asked(("origin", origin)), forbidden, "{origin}");
            }
            for site in ["cross-site", "same-site"] {
                assert_eq!(asked(("sec-fetch-site", site)), forbidden, "{site}");
            }
        }
        let cross = [host, ("origin", "http://example.com")];
        assert_eq!(asked(Method::GET, &cross), Ok(()));
    }
}
