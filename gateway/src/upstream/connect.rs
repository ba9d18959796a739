//! Connecting to an upstream: name, TCP, a proxy's tunnel where there is one, TLS, all under one deadline.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, AlertDescription, CertificateError, ClientConfig};

use crate::config::{HostPort, Proxy};
use crate::own::OwnListeners;
use crate::reload::Current;

/// What the kernel may hold of our writes; Linux keeps twice as much for its own bookkeeping. Bytes in there look
/// written to us: should the connection break, this bounds what may have been lost unseen.
const SEND_BUFFER_LEN: u32 = 64 * 1024;

/// Bytes of a proxy's answer that are read.
const PROXY_HEAD_LEN_MAX: usize = 8 * 1024;

/// One address to connect to, with everything that takes.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) address: HostPort,
    /// Who is asked for a tunnel there; then the name is looked up by that one.
    pub(crate) proxy: Option<Proxy>,
    pub(crate) tls: Current<ClientConfig>,
    pub(crate) own: OwnListeners,
    pub(crate) timeout: Duration,
    /// Written data that is not acknowledged for so long breaks the connection.
    pub(crate) write_timeout: Duration,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("not connected within {0:?}")]
    Timeout(Duration),
    #[error("the name cannot be looked up")]
    Lookup(#[source] io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("{0} is one of our own listeners")]
    Own(std::net::SocketAddr),
    #[error("no connection")]
    Tcp(#[source] io::Error),
    #[error("the proxy {proxy} opens no tunnel: {answer}")]
    Proxy { proxy: Proxy, answer: String },
    #[error("the upstream's certificate cannot be checked against this name")]
    Name,
    /// An alert that is about who we are.
    #[error("the upstream refuses our certificate (alert {0:?})")]
    Refused(AlertDescription),
    /// Nothing is said to who shows it.
    #[error("the upstream's certificate is not to be trusted: {remedy}")]
    Untrusted {
        remedy: &'static str,
        source: io::Error,
    },
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    #[error("the upstream does not speak HTTP/2")]
    NotHttp2,
    #[error("HTTP/2 could not begin")]
    Http2(#[source] h2::Error),
}

impl ConnectError {
    /// Whether that does not pass by itself, as far as anybody can tell.
    pub(crate) const fn needs_someone(&self) -> bool {
        matches!(
            self,
            Self::Own(_) | Self::Refused(_) | Self::Untrusted { .. }
        )
    }

    fn of_handshake(error: io::Error) -> Self {
        if let Some(alert) = refusal(&error) {
            return Self::Refused(alert);
        }
        match remedy(&error) {
            Some(remedy) => Self::Untrusted {
                remedy,
                source: error,
            },
            None => Self::Tls(error),
        }
    }
}

impl Connector {
    /// Connects to the first address of the name that answers.
    pub(crate) async fn connect(&self) -> Result<TlsStream<TcpStream>, ConnectError> {
        timeout(self.timeout, self.connect_in_time())
            .await
            .map_err(|_| ConnectError::Timeout(self.timeout))?
    }

    async fn connect_in_time(&self) -> Result<TlsStream<TcpStream>, ConnectError> {
        let name =
            ServerName::try_from(self.address.host().to_owned()).map_err(|_| ConnectError::Name)?;
        let mut socket = self.connect_tcp().await?;
        apns_net::socket::tune(&socket).map_err(ConnectError::Tcp)?;
        #[cfg(target_os = "linux")]
        SockRef::from(&socket)
            .set_tcp_user_timeout(Some(self.write_timeout))
            .map_err(ConnectError::Tcp)?;
        if let Some(proxy) = &self.proxy {
            self.open_tunnel(&mut socket, proxy).await?;
        }
        TlsConnector::from(self.tls.get())
            .connect(name, socket)
            .await
            .map_err(ConnectError::of_handshake)
    }

    /// Whom a TCP connection is made to.
    fn peer(&self) -> (&str, u16) {
        let peer = self.proxy.as_ref().map_or(&self.address, |proxy| &proxy.0);
        (peer.host(), peer.port())
    }

    /// Asks the proxy for a tunnel to the upstream (RFC 9110, 9.3.6).
    async fn open_tunnel(&self, socket: &mut TcpStream, proxy: &Proxy) -> Result<(), ConnectError> {
        let address = &self.address;
        let request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let refused = |answer: &str| ConnectError::Proxy {
            proxy: proxy.clone(),
            answer: answer.to_owned(),
        };
        socket
            .write_all(request.as_bytes())
            .await
            .map_err(ConnectError::Tcp)?;
        // Byte by byte: what follows the head belongs to TLS, and this happens once a connection.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() == PROXY_HEAD_LEN_MAX {
                return Err(refused("its answer does not end"));
            }
            head.push(socket.read_u8().await.map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => refused("it closed the connection"),
                _ => ConnectError::Tcp(error),
            })?);
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.lines().next().unwrap_or_default();
        match status.split(' ').nth(1) {
            Some(code) if code.len() == 3 && code.starts_with('2') => Ok(()),
            _ => Err(refused(status)),
        }
    }

    async fn connect_tcp(&self) -> Result<TcpStream, ConnectError> {
        let addresses = lookup_host(self.peer())
            .await
            .map_err(ConnectError::Lookup)?;
        let mut outcome = Err(ConnectError::NoAddress);
        for address in addresses {
            if self.own.reached_by(address) {
                return Err(ConnectError::Own(address));
            }
            let socket = match address {
                std::net::SocketAddr::V4(_) => TcpSocket::new_v4(),
                std::net::SocketAddr::V6(_) => TcpSocket::new_v6(),
            }
            .map_err(ConnectError::Tcp)?;
            socket
                .set_send_buffer_size(SEND_BUFFER_LEN)
                .map_err(ConnectError::Tcp)?;
            match socket.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => outcome = Err(ConnectError::Tcp(error)),
            }
        }
        outcome
    }

    /// An address of ours that the name leads to, as far as that can be found out now.
    pub(crate) async fn own_address(&self) -> Option<std::net::SocketAddr> {
        let addresses = timeout(self.timeout, lookup_host(self.peer())).await;
        addresses
            .ok()?
            .ok()?
            .find(|&address| self.own.reached_by(address))
    }
}

/// The alert by which the peer says that it does not take our certificate; under TLS 1.3 it comes with the first read.
pub(crate) fn refusal(error: &io::Error) -> Option<AlertDescription> {
    use AlertDescription as A;
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    match inner {
        rustls::Error::AlertReceived(
            alert @ (A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::CertificateRequired
            | A::UnknownCA
            | A::AccessDenied),
        ) => Some(*alert),
        _ => None,
    }
}

/// What to look at, where the peer's certificate is what was wrong.
fn remedy(error: &io::Error) -> Option<&'static str> {
    use CertificateError as C;
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(problem) = inner else {
        return None;
    };
    Some(match problem {
        C::UnknownIssuer | C::BadSignature => {
            "name the CA that issued it in app.upstream.ca, or see whose server that is"
        }
        C::NotValidForName | C::NotValidForNameContext { .. } => {
            "app.upstream.address must be a name that it is for"
        }
        C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => {
            "whoever runs the upstream must renew it, if this machine's clock is right"
        }
        _ => "whoever runs the upstream must replace it",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_that_a_certificate_ended_says_whose_and_what_to_do() {
        let of = |error: rustls::Error| {
            ConnectError::of_handshake(io::Error::new(io::ErrorKind::InvalidData, error))
        };
        for (problem, says) in [
            (CertificateError::UnknownIssuer, "app.upstream.ca"),
            (CertificateError::NotValidForName, "app.upstream.address"),
            (CertificateError::Expired, "this machine's clock"),
            (CertificateError::Revoked, "must replace it"),
        ] {
            let error = of(rustls::Error::InvalidCertificate(problem));
            assert!(error.needs_someone());
            let line = error.to_string();
            assert!(
                line.starts_with("the upstream's certificate") && line.contains(says),
                "{line}"
            );
        }
        let ours = of(rustls::Error::AlertReceived(
            AlertDescription::CertificateExpired,
        ));
        assert!(matches!(ours, ConnectError::Refused(_)) && ours.needs_someone());
        // What neither certificate is to blame for may pass.
        for error in [
            rustls::Error::AlertReceived(AlertDescription::HandshakeFailure),
            rustls::Error::HandshakeNotComplete,
        ] {
            let error = of(error);
            assert!(matches!(error, ConnectError::Tls(_)) && !error.needs_someone());
        }
    }
}
