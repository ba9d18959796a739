//! Feedback lists as they are; looking clears nothing, which only a provider's reading does.

use std::time::{Duration, UNIX_EPOCH};

use apns_net::credentials::Environment;
use apns_proto::feedback::Tuple;
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::{Asked, Nothing, within};
use super::problem::Problem;
use super::time;
use crate::inbox::EnvironmentName;

/// Tokens in an answer.
const TOKENS: u16 = 1_000;
const TOKENS_MAX: u16 = 10_000;

/// How much is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AtMost {
    /// At most so many tokens, over all lists; 1000 if nothing is said.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u16>,
}

/// The project's feedback lists
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FeedbackLists {
    /// Those that are not empty, by topic and environment.
    lists: Vec<FeedbackList>,
}

/// What a provider of this topic reads next
#[derive(Debug, Serialize, ToSchema)]
struct FeedbackList {
    topic: String,
    #[schema(value_type = EnvironmentName)]
    environment: Environment,
    /// How many are on it.
    total: usize,
    /// Oldest first.
    tokens: Vec<DeadToken>,
}

/// A token whose app is gone
#[derive(Debug, Serialize, ToSchema)]
struct DeadToken {
    /// In hex.
    token: String,
    /// When APNs found out.
    at: String,
    /// The same as the provider reads it: seconds since 1970.
    timestamp: u32,
}

/// Shows the feedback lists
///
/// They stay as they are: a list is cleared when a provider has read it on the feedback port.
#[utoipa::path(get, path = "/v1/feedback", tag = "feedback", params(AtMost), responses((status = 200, body = FeedbackLists)))]
pub(super) async fn show(asked: Asked<AtMost, Nothing>) -> Result<Json<FeedbackLists>, Problem> {
    let limit = within("limit", asked.query.limit.unwrap_or(TOKENS), 1..=TOKENS_MAX)?;
    let mut room = usize::from(limit);
    let lists = asked.project.with(|world, _| {
        let mut lists: Vec<_> = world.feedback_lists().collect();
        lists.sort_by_key(|(provider, _)| (provider.topic(), provider.environment()));
        let views = lists.into_iter().map(|(provider, tuples)| {
            let total = tuples.len();
            let tokens: Vec<_> = tuples.take(room).map(DeadToken::of).collect();
            room -= tokens.len();
            FeedbackList {
                topic: provider.topic().to_owned(),
                environment: provider.environment(),
                total,
                tokens,
            }
        });
        views.collect()
    });
    Ok(Json(FeedbackLists { lists }))
}

impl DeadToken {
    fn of(tuple: &Tuple) -> Self {
        Self {
            token: tuple.token.to_hex(),
            at: time::text(UNIX_EPOCH + Duration::from_secs(tuple.timestamp.into())),
            timestamp: tuple.timestamp,
        }
    }
}
