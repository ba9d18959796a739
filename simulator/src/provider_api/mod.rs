//! Today's provider API without its socket: what a request asks for, who asks, and in which words it is refused. Pure.
//!
//! ```text
//! Request ──judge──▶ Push ──World::post──▶ accepted, or a Reason
//!    └── who? ──▶ Caller: the certificate of the connection, or the provider token of the request
//! ```

mod apns_id;
mod caller;
mod push_type;
mod reason;
mod request;
mod token;

pub use apns_id::ApnsId;
pub use caller::Caller;
pub use push_type::PushType;
pub(crate) use push_type::VOIP_SUFFIX;
pub use reason::Reason;
pub use request::{PAYLOAD_LEN_MAX, Push, Request, VOIP_PAYLOAD_LEN_MAX};
pub use token::{ProviderKey, TokenFault, Unverified, Verified};
