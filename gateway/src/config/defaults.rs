//! The defaults of structs that also have keys without one, and Apple's host names [P-01] [H-01].

use std::time::Duration;

use apns_net::credentials::Environment;

use super::HostPort;

pub(super) const fn trust_after() -> u32 {
    10
}

pub(super) const fn answer_wait() -> Duration {
    Duration::from_secs(2)
}

pub(super) const fn probe_interval() -> Duration {
    Duration::from_secs(60)
}

pub(super) const fn quiet_period() -> Duration {
    Duration::from_secs(1)
}

pub(super) const fn window() -> usize {
    5_000
}

pub(super) const fn connections_max() -> usize {
    4
}

pub(super) const fn answer_timeout() -> Duration {
    Duration::from_secs(30)
}

pub(super) const fn ping_interval() -> Duration {
    Duration::from_secs(60)
}

pub(super) const fn connect_timeout() -> Duration {
    Duration::from_secs(10)
}

pub(super) const fn write_timeout() -> Duration {
    Duration::from_secs(60)
}

pub(super) const fn backoff_base() -> Duration {
    Duration::from_millis(100)
}

pub(super) const fn backoff_max() -> Duration {
    Duration::from_secs(60)
}

pub(super) const fn feedback_poll_interval() -> Duration {
    Duration::from_secs(3_600)
}

pub(super) fn http2_address(environment: Environment) -> HostPort {
    match environment {
        Environment::Production => HostPort::new("api.push.apple.com", 443),
        Environment::Sandbox => HostPort::new("api.sandbox.push.apple.com", 443),
    }
}

pub(super) fn push_address(environment: Environment) -> HostPort {
    match environment {
        Environment::Production => HostPort::new("gateway.push.apple.com", 2195),
        Environment::Sandbox => HostPort::new("gateway.sandbox.push.apple.com", 2195),
    }
}

pub(super) fn feedback_address(environment: Environment) -> HostPort {
    match environment {
        Environment::Production => HostPort::new("feedback.push.apple.com", 2196),
        Environment::Sandbox => HostPort::new("feedback.sandbox.push.apple.com", 2196),
    }
}

/// Whether a host is one that Apple switched off on 2021-03-31.
pub(super) fn is_closed(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    [Environment::Production, Environment::Sandbox]
        .into_iter()
        .flat_map(|environment| [push_address(environment), feedback_address(environment)])
        .any(|apple| apple.host() == host)
}
