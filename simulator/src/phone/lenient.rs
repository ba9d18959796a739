//! Reading JSON as iOS does: a value of the wrong type counts as absent and spoils nothing around it; of a key that is there twice the last counts.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// What a value of any JSON type is read as: the default, unless it is of a type that says otherwise.
pub(super) trait Value<'de>: Default {
    fn boolean(_: bool) -> Self {
        Self::default()
    }

    /// A whole number that is not negative.
    fn number(_: u64) -> Self {
        Self::default()
    }

    fn text(_: Cow<'de, str>) -> Self {
        Self::default()
    }

    fn array<S: SeqAccess<'de>>(mut elements: S) -> Result<Self, S::Error> {
        while elements.next_element::<Lenient<()>>()?.is_some() {}
        Ok(Self::default())
    }

    fn object<M: MapAccess<'de>>(mut members: M) -> Result<Self, M::Error> {
        while members.next_key::<Lenient<()>>()?.is_some() {
            pass_over(&mut members)?;
        }
        Ok(Self::default())
    }
}

/// Nobody is interested; it must be JSON all the same.
impl Value<'_> for () {}

/// What stands behind the key that was read last.
pub(super) fn value<'de, T: Value<'de>, M: MapAccess<'de>>(members: &mut M) -> Result<T, M::Error> {
    members.next_value().map(|Lenient(value)| value)
}

/// Goes on behind it.
pub(super) fn pass_over<'de, M: MapAccess<'de>>(members: &mut M) -> Result<(), M::Error> {
    value(members)
}

/// Any JSON value, as a `T`.
pub(super) struct Lenient<T>(pub(super) T);

impl<'de, T: Value<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData)).map(Self)
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Value<'de>> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::boolean(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(T::number(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<T, E> {
        Ok(T::text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<T, E> {
        Ok(T::text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, elements: S) -> Result<T, S::Error> {
        T::array(elements)
    }

    fn visit_map<M: MapAccess<'de>>(self, members: M) -> Result<T, M::Error> {
        T::object(members)
    }
}
