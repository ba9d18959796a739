//! What the description of the API says of every route alike.

use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::problem::Problem;

/// Adds the project, what can be wrong with any request, and what the library cannot say.
pub(super) fn complete(mut document: OpenApi) -> Value {
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
    let mut document = serde_json::to_value(document).expect("the description is JSON");
    refine(&mut document);
    document
}

/// Says how large a number of each format can be, which is known to few readers; and that an object in a query is JSON.
fn refine(value: &mut Value) {
    match value {
        Value::Object(members) => {
            // The library writes "u-int16"; the format's name is "uint16".
            let bound = match members.get("format").and_then(Value::as_str) {
                Some("u-int8") => Some(("uint8", u8::MAX.into())),
                Some("u-int16") => Some(("uint16", u16::MAX.into())),
                Some("u-int32") => Some(("uint32", u32::MAX.into())),
                Some("u-int64") => Some(("uint64", u64::MAX)),
                _ => None,
            };
            if let Some((format, max)) = bound {
                members.insert("format".to_owned(), format.into());
                members.entry("maximum").or_insert(max.into());
            }
            let in_query = members.get("in").is_some_and(|place| place == "query");
            if in_query && is_object(members.get("schema")) {
                members.remove("schema");
                let content = json!({ "application/json": { "schema": { "type": "object" } } });
                members.insert("content".to_owned(), content);
            }
            members.values_mut().for_each(refine);
        }
        Value::Array(items) => items.iter_mut().for_each(refine),
        _ => {}
    }
}

fn is_object(schema: Option<&Value>) -> bool {
    let kind = schema.and_then(|schema| schema.get("type"));
    kind.is_some_and(|kind| match kind {
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "object"),
        kind => kind == "object",
    })
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

    #[test]
    fn numbers_have_their_largest_value_and_an_object_in_a_query_is_json() {
        let document = complete(routes().into_openapi());
        assert!(!document.to_string().contains("u-int"));
        let parameters = document["paths"]["/v1/pushes"]["get"]["parameters"].as_array();
        let parameter = |name: &str| {
            let mut parameters = parameters.unwrap().iter();
            parameters.find(|one| one["name"] == name).unwrap()
        };
        assert_eq!(parameter("status")["schema"]["maximum"], u16::MAX);
        assert_eq!(parameter("limit")["schema"]["maximum"], 1000);
        assert_eq!(
            parameter("payload")["content"]["application/json"]["schema"]["type"],
            "object"
        );
        assert_eq!(parameter("payload").get("schema"), None);
    }

    /// Method and path of every route, as a table of `docs/simulator.md` lists them.
    #[test]
    fn the_guide_lists_every_route_and_no_other() {
        let json = complete(routes().into_openapi());
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
