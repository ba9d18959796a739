//! What the description of the API says of every route alike.

use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::problem::Problem;

/// Adds the project, and what can be wrong with any request.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    document
        .components
        .get_or_insert_default()
        .schemas
        .insert(Problem::name().into(), Problem::schema());
    for (path, item) in &mut document.paths.paths {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            describe(path, operation);
        }
    }
    document
}

fn describe(path: &str, operation: &mut Operation) {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    let project = ParameterBuilder::new()
        .name(super::ask::PROJECT)
        .parameter_in(ParameterIn::Query)
        .description(Some("The project; the default one if nothing is said."))
        .schema(Some(text))
        .build();
    operation
        .parameters
        .get_or_insert_default()
        .push(project.into());
    let mut problems = vec![
        ("400", "The request is wrong"),
        ("403", "It may not be asked from there: Host or Origin"),
        ("404", "There is no such thing"),
        ("408", "It took too long"),
    ];
    if operation.request_body.is_some() {
        problems.extend([
            ("409", "It cannot be done as things are"),
            ("413", "The body is too large"),
            ("503", "Not now"),
            ("507", "No room"),
        ]);
    } else if path.ends_with("/wait") {
        problems.push(("503", "Not now"));
    } else if path.ends_with("/apns") {
        problems.push(("409", "It cannot be done as things are"));
    }
    for (status, description) in problems {
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| {
                let content = ContentBuilder::new()
                    .schema(Some(Ref::from_schema_name(Problem::name())))
                    .build();
                ResponseBuilder::new()
                    .description(description)
                    .content("application/json", content)
                    .build()
                    .into()
            });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::routes;
    use super::*;

    /// Method and path of every route, as a table of `docs/simulator.md` lists them.
    #[test]
    fn the_guide_lists_every_route_and_no_other() {
        let document = complete(routes().into_openapi());
        let json = serde_json::to_value(&document).unwrap();
        assert!(json["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut described: BTreeSet<String> = ["GET /v1/openapi.json".to_owned()].into();
        for (path, item) in json["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                described.insert(format!("{} {path}", method.to_uppercase()));
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.contains_key("400"), "{method} {path}");
                assert!(operation["summary"].is_string(), "{method} {path}");
                assert!(
                    method != "get" || operation["requestBody"].is_null(),
                    "{path}"
                );
            }
        }
        let guide = include_str!("../../../docs/simulator.md");
        let listed: BTreeSet<String> = guide
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .filter(|route| route.contains(" /v1/"))
            .map(str::to_owned)
            .collect();
        assert_eq!(listed, described);
    }
}
