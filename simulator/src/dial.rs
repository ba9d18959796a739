//! Outgoing TLS connections: a phone's to the courier, the app server's to the gateway and the feedback service.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// For the name, TCP and the handshake together.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Where to connect: `host:port`. The server's certificate must name the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

/// Not of the form `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} is not of the form host:port")]
pub struct EndpointError {
    text: String,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.rsplit_once(':').and_then(|(host, port)| {
            let host = host
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .unwrap_or(host);
            let named = ServerName::try_from(host.to_owned()).is_ok();
            let port = port.parse().ok().filter(|port| *port != 0)?;
            named.then(|| Self {
                host: host.to_owned(),
                port,
            })
        });
        parsed.ok_or_else(|| EndpointError {
            text: text.to_owned(),
        })
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Refused, unreachable, or the handshake failed.
    #[error("cannot connect to {endpoint}: {error}")]
    Connect {
        /// Where to.
        endpoint: Endpoint,
        /// What the system or TLS says.
        error: io::Error,
    },
    /// Not there in time.
    #[error("cannot connect to {endpoint}: no answer within {} s", DIAL_TIMEOUT.as_secs())]
    Timeout {
        /// Where to.
        endpoint: Endpoint,
    },
}

/// Connects and shakes hands.
pub(crate) async fn dial(
    endpoint: &Endpoint,
    tls: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, DialError> {
    let connecting = async {
        let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
        tcp.set_nodelay(true)?;
        TlsConnector::from(tls).connect(name, tcp).await
    };
    match tokio::time::timeout(DIAL_TIMEOUT, connecting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(DialError::Connect {
            endpoint: endpoint.clone(),
            error,
        }),
        Err(_) => Err(DialError::Timeout {
            endpoint: endpoint.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        let endpoint = |host: &str, port| {
            Ok(Endpoint {
                host: host.to_owned(),
                port,
            })
        };
        assert_eq!("127.0.0.1:2195".parse(), endpoint("127.0.0.1", 2195));
        assert_eq!(
            "gateway.push.apple.com:2195".parse(),
            endpoint("gateway.push.apple.com", 2195)
        );
        assert_eq!("[::1]:5223".parse(), endpoint("::1", 5223));
        for text in [
            "",
            "localhost",
            "localhost:",
            ":2195",
            "localhost:0",
            "localhost:70000",
            "a b:1",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
        assert_eq!(
            "[::1]:5223".parse::<Endpoint>().unwrap().to_string(),
            "[::1]:5223"
        );
    }
}
