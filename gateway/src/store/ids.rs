//! Keys of what the store keeps: one sequence per app, the app in the upper bits.
//!
//! A key is `app << 47 | serial`. Everything an app owns in one table is therefore one range of the table's primary key: a page of its
//! backlog is a range scan, no second index has to be kept, and no app's backlog slows another's. A serial is used once, ever.

use std::fmt;

/// Bits of a key below the app's number.
const SERIAL_BITS: u32 = 47;

/// The largest serial: at 100,000 a second it lasts 44 years.
const SERIAL_MAX: u64 = (1 << SERIAL_BITS) - 1;

/// One app: a (topic, environment) pair. Given out by [`Store::app`](super::Store::app).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(pub(super) u16);

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What tells this store from every other: random, made with the file and kept in it. Two gateways never call two notifications
/// by one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installation(pub [u8; 16]);

/// First and last key an app can own.
pub(super) fn range(app: AppId) -> (i64, i64) {
    (key(app, 0), key(app, SERIAL_MAX))
}

/// The key of an app's `serial`.
pub(super) fn key(app: AppId, serial: u64) -> i64 {
    debug_assert!(serial <= SERIAL_MAX, "an app's sequence ends at 2^47");
    let serial = i64::try_from(serial & SERIAL_MAX).expect("47 bits fit 63");
    (i64::from(app.0) << SERIAL_BITS) | serial
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(super) i64);

        impl $name {
            /// The one at a place in an app's sequence, which need not be taken.
            pub fn of(app: AppId, serial: u64) -> Self {
                Self(key(app, serial.min(SERIAL_MAX)))
            }

            /// The app it belongs to.
            pub fn app(self) -> AppId {
                AppId(u16::try_from(self.0 >> SERIAL_BITS).expect("keys are built from a u16 and 47 bits"))
            }

            /// Its place in the app's sequence.
            pub fn serial(self) -> u64 {
                u64::try_from(self.0).expect("keys are not negative") & SERIAL_MAX
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.app(), self.serial())
            }
        }
    };
}

id! {
    /// An accepted notification. Within one app the order of ids is the order of acceptance, and the order upstream; no id comes twice.
    RowId
}

id! {
    /// A dead letter. The order of ids is the order in which they died.
    LetterId
}

id! {
    /// A feedback tuple. The order of ids is the order in which tuples became known; what cursors count in.
    FeedbackId
}

impl RowId {
    /// The key's bytes, the app's first.
    pub(crate) fn to_be_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

#[cfg(test)]
impl RowId {
    /// A row of app 1 that no store gave out, for tests without one.
    pub(crate) fn fake(serial: u64) -> Self {
        Self(key(AppId(1), serial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_splits_into_its_app_and_its_place() {
        for (app, serial) in [(1, 0), (1, 1), (7, 123_456_789), (u16::MAX, SERIAL_MAX)] {
            let id = RowId(key(AppId(app), serial));
            assert_eq!((id.app(), id.serial()), (AppId(app), serial));
        }
    }

    #[test]
    fn the_keys_of_two_apps_do_not_overlap() {
        let (_, last) = range(AppId(1));
        let (first, _) = range(AppId(2));
        assert_eq!(last + 1, first);
    }
}
