//! What both daemons need of the wire, below any protocol: who a peer is ([`credentials`]), how it proves it ([`tls`]),
//! how connections come in ([`listen`]) and how they end ([`linger`]); and what every daemon owes the script that
//! started it ([`ready`], [`log`]).
//!
//! ```text
//! credentials   PEM, DER → Identity (ours), CertificateInfo (theirs: topic, environments, pin, validity)
//! tls           Identity + ClientPolicy → ServerConfig;  Identity + Roots → ClientConfig
//! listen        bind → permit → accept → handshake under a deadline → handler, one task per connection
//! linger        close_notify, FIN, then read and drop until the peer has read what we said
//! readers       one connection at a time for a list that is cleared by reading
//! http          HTTP/1 served within bounds and to this machine alone, and asked (feature `http`)
//! h2tap         between an HTTP/2 library and its TLS stream: puts frames in, reads GOAWAY
//! ```

pub mod credentials;
pub mod h2tap;
#[cfg(feature = "http")]
pub mod http;
pub mod linger;
pub mod listen;
pub mod log;
pub mod readers;
pub mod ready;
pub mod socket;
pub mod tls;
