//! A tap between the HTTP/2 library and the socket, for what `h2` cannot say or does not tell.
//!
//! ```text
//! h2  ──poll_write──▶ Tap ──▶ TLS        frames of a TapHandle go in between two of the library's
//! h2  ◀──poll_read─── Tap ◀── TLS        acknowledgements of the tap's SETTINGS stay here; a GOAWAY is looked at
//! ```
//!
//! It follows the heads of the frames in both directions and nothing else: no HPACK, no state of streams, no buffer but for what waits to be put in.
//! What a peer sends is never judged here; that is the library's work.

mod cutter;
mod frame;
mod tap;

pub use frame::{DEBUG_DATA_LEN_MAX, Frame, GoAway, Head, Kind, Setting};
pub use tap::{INJECTED_LEN_MAX, Tap, TapFull, TapHandle};
