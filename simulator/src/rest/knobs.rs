//! A project's knobs: read, turned.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

use super::ask::{Asked, Body};
use super::problem::Problem;
use crate::knobs::{ALL, KnobError, Knobs};

/// How the knobs are set
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct KnobsView(Knobs);

impl utoipa::PartialSchema for KnobsView {
    fn schema() -> RefOr<Schema> {
        let no_other = AdditionalProperties::<Schema>::FreeForm(false);
        let empty = ObjectBuilder::new().additional_properties(Some(no_other));
        let knobs = ALL.iter().fold(empty, |knobs, knob| {
            let values = ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(knob.values.iter().copied()))
                .description(Some(knob.decides));
            knobs.property(knob.name, values)
        });
        let no_other = AdditionalProperties::FreeForm(false);
        knobs.additional_properties(Some(no_other)).into()
    }
}

impl utoipa::ToSchema for KnobsView {
    fn name() -> Cow<'static, str> {
        "Knobs".into()
    }
}

/// Shows the knobs
#[utoipa::path(get, path = "/v1/knobs", tag = "knobs", responses((status = 200, body = KnobsView)))]
pub(super) async fn show(asked: Asked) -> Json<KnobsView> {
    Json(KnobsView(asked.project.with(|world, _| world.knobs())))
}

/// Turns knobs, those that are named
#[utoipa::path(
    patch, path = "/v1/knobs", tag = "knobs", request_body = KnobsView, responses((status = 200, body = KnobsView))
)]
pub(super) async fn change(
    asked: Asked,
    Body(settings): Body<BTreeMap<String, Value>>,
) -> Result<Json<KnobsView>, Problem> {
    let knobs = asked.project.with(|world, _| {
        let mut knobs = world.knobs();
        for (name, value) in &settings {
            match value {
                Value::String(value) => knobs.turn(name, value),
                other => knobs.turn(name, &other.to_string()),
            }?;
        }
        world.set_knobs(knobs);
        Ok::<_, KnobError>(knobs)
    })?;
    Ok(Json(KnobsView(knobs)))
}

impl From<KnobError> for Problem {
    fn from(error: KnobError) -> Self {
        Self::bad("bad_knob", error)
    }
}
