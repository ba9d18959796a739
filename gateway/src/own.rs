//! Our own listeners, so that no upstream is one of them: a gateway that feeds itself would send every notification round
//! and round.

use std::net::{IpAddr, SocketAddr, UdpSocket};

/// The addresses our listeners are bound to.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnListeners(Vec<SocketAddr>);

impl OwnListeners {
    pub(crate) fn new(bound: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self(bound.into_iter().collect())
    }

    /// Whether connecting to `address` would reach one of them.
    pub(crate) fn reached_by(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.0.iter().any(|own| {
            let own_ip = own.ip().to_canonical();
            own.port() == address.port()
                // To connect to the unspecified address is to connect to this machine.
                && (own_ip == ip || ip.is_unspecified() || own_ip.is_unspecified() && is_of_this_machine(ip))
        })
    }
}

/// Only an address of this machine can be bound; port 0 disturbs nobody.
fn is_of_this_machine(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(own: &str, address: &str) -> bool {
        OwnListeners::new([own.parse().unwrap()]).reached_by(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_ours_when_port_and_ip_are() {
        assert!(reached("127.0.0.1:2195", "127.0.0.1:2195"));
        assert!(
            reached("127.0.0.1:2195", "[::ffff:127.0.0.1]:2195"),
            "v4 written as v6"
        );
        assert!(!reached("127.0.0.1:2195", "127.0.0.1:2196"), "another port");
        assert!(!reached("127.0.0.1:2195", "127.0.0.2:2195"), "another ip");
    }

    #[test]
    fn a_wildcard_listener_is_reached_by_every_address_of_this_machine_and_by_no_other() {
        for own in ["0.0.0.0:2195", "[::]:2195"] {
            assert!(reached(own, "127.0.0.1:2195"), "{own}");
            assert!(
                reached(own, "127.9.9.9:2195"),
                "{own}: all of 127/8 is loopback"
            );
            assert!(
                !reached(own, "192.0.2.1:2195"),
                "{own}: an address kept for documentation"
            );
            assert!(!reached(own, "127.0.0.1:2196"), "{own}");
        }
    }

    #[test]
    fn the_unspecified_address_reaches_a_listener_of_any_address() {
        assert!(reached("127.0.0.1:2195", "0.0.0.0:2195"));
        assert!(reached("0.0.0.0:2195", "0.0.0.0:2195"));
        assert!(!reached("127.0.0.1:2195", "0.0.0.0:2196"));
    }
}
