//! Faults: which rules there are and what they did; added, removed, replaced.

use std::borrow::Cow;

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

use super::ask::{Asked, Body, In};
use super::problem::Problem;
use crate::faults::{
    ACTIONS, Active, Faults, KEYS, Kind, Plan, Rule, RuleError, RuleId, TooManyRules,
};
use crate::shared::Shared;

/// Rules that are named in an answer.
const IDS_MAX: usize = 20;

/// A rule's keys, as in a file and on the command line
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RuleKeys(Map<String, Value>);

impl utoipa::PartialSchema for RuleKeys {
    fn schema() -> RefOr<Schema> {
        let no_other = AdditionalProperties::<Schema>::FreeForm(false);
        let empty = ObjectBuilder::new().additional_properties(Some(no_other));
        let keys = KEYS.iter().fold(empty, |keys, key| {
            let kind = match key.kind {
                Kind::Text => Type::String,
                Kind::Number => Type::Integer,
                Kind::Fraction => Type::Number,
                Kind::Switch => Type::Boolean,
            };
            let mut value = ObjectBuilder::new()
                .schema_type(kind)
                .minimum(matches!(key.kind, Kind::Number | Kind::Fraction).then_some(0))
                .description(Some(key.says));
            if key.name == "action" {
                value = value.enum_values(Some(ACTIONS.iter().map(|entry| entry.name)));
            }
            keys.property(key.name, value)
        });
        let no_other = AdditionalProperties::FreeForm(false);
        keys.required("action")
            .additional_properties(Some(no_other))
            .into()
    }
}

impl utoipa::ToSchema for RuleKeys {
    fn name() -> Cow<'static, str> {
        "Rule".into()
    }
}

impl RuleKeys {
    fn rule(self) -> Result<Rule, RuleError> {
        self.0.try_into()
    }
}

/// A rule at work
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Fault)]
pub(super) struct FaultView {
    id: u64,
    /// What the events call it.
    name: String,
    #[schema(value_type = RuleKeys)]
    rule: Rule,
    /// How often its conditions were met and it was its turn.
    matched: u64,
    /// How often it acted.
    injected: u64,
}

/// What goes wrong on demand
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Faults)]
pub(super) struct FaultsView {
    /// Whether magic tokens are known.
    magic_tokens: bool,
    /// In the order they are asked.
    rules: Vec<FaultView>,
}

/// What is to go wrong, and nothing else
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFaults {
    /// Whether magic tokens are known; they are if nothing is said.
    magic_tokens: Option<bool>,
    /// In the order they are asked.
    #[serde(default)]
    #[schema(max_items = 1000)]
    rules: Vec<RuleKeys>,
}

/// Shows the faults, and how often each acted
#[utoipa::path(get, path = "/v1/faults", tag = "faults", responses((status = 200, body = FaultsView)))]
pub(super) async fn list(asked: Asked) -> Json<FaultsView> {
    Json(with(&asked.project, |faults| FaultsView::of(faults)))
}

/// Adds a rule behind the others
#[utoipa::path(
    post, path = "/v1/faults", tag = "faults", request_body = RuleKeys, responses((status = 201, body = FaultView))
)]
pub(super) async fn add(
    asked: Asked,
    Body(keys): Body<RuleKeys>,
) -> Result<(StatusCode, Json<FaultView>), Problem> {
    let rule = keys
        .rule()
        .map_err(|error| Problem::bad("bad_rule", error))?;
    let view = with(&asked.project, |faults| {
        faults.add(rule)?;
        let added = faults.rules().last().expect("it was just added");
        Ok::<_, TooManyRules>(FaultView::of(added))
    })?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Replaces all faults
///
/// Rules are numbered and connections counted from 1 again.
#[utoipa::path(
    put, path = "/v1/faults", tag = "faults", request_body = NewFaults, responses((status = 200, body = FaultsView))
)]
pub(super) async fn replace(
    asked: Asked,
    Body(new): Body<NewFaults>,
) -> Result<Json<FaultsView>, Problem> {
    let rules = new.rules.into_iter().zip(1..).map(|(keys, place)| {
        keys.rule()
            .map_err(|error| Problem::bad("bad_rule", format!("rule {place}: {error}")))
    });
    let plan = Plan {
        magic_tokens: new.magic_tokens.unwrap_or(true),
        rules: rules.collect::<Result<_, _>>()?,
    };
    let view = with(&asked.project, |faults| {
        faults.replace(plan).map(|()| FaultsView::of(faults))
    })?;
    Ok(Json(view))
}

/// Removes all rules, those of the start too
///
/// Magic tokens are known again; connections are counted from 1 again.
#[utoipa::path(
    delete, path = "/v1/faults", tag = "faults", responses((status = 204, description = "There are none"))
)]
pub(super) async fn clear(asked: Asked) -> StatusCode {
    with(&asked.project, Faults::clear);
    StatusCode::NO_CONTENT
}

/// Removes a rule
#[utoipa::path(
    delete, path = "/v1/faults/{id}", tag = "faults", params(("id" = u64, Path, description = "The rule")),
    responses((status = 204, description = "It acts no more"))
)]
pub(super) async fn remove(asked: Asked, In(id): In<u64>) -> Result<StatusCode, Problem> {
    with(&asked.project, |faults| {
        if faults.remove(RuleId(id)) {
            return Ok(StatusCode::NO_CONTENT);
        }
        let ids: Vec<_> = faults
            .rules()
            .iter()
            .map(|active| active.id.0.to_string())
            .take(IDS_MAX)
            .collect();
        let there_is = match ids.as_slice() {
            [] => "there is none".to_owned(),
            ids => format!("there is {}", ids.join(", ")),
        };
        Err(Problem::missing(
            "no_such_rule",
            format!("there is no rule {id}: {there_is}"),
        ))
    })
}

fn with<T>(project: &Shared, act: impl FnOnce(&mut Faults) -> T) -> T {
    project.with(|world, _| act(world.faults_mut()))
}

impl FaultsView {
    fn of(faults: &Faults) -> Self {
        Self {
            magic_tokens: faults.magic_tokens(),
            rules: faults.rules().iter().map(FaultView::of).collect(),
        }
    }
}

impl FaultView {
    fn of(active: &Active) -> Self {
        Self {
            id: active.id.0,
            name: active.name.to_string(),
            rule: active.rule.clone(),
            matched: active.matched,
            injected: active.injected,
        }
    }
}

impl From<TooManyRules> for Problem {
    fn from(error: TooManyRules) -> Self {
        Self::full(error)
    }
}
