//! `tests/vectors`: every vector holds, is described by the README beside it, and would be noticed if it were wrong.

mod check;
mod courier;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use check::check;
use model::{Common, File, read};

fn root() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    workspace.expect("the workspace").to_owned()
}

/// Every file, by its name.
fn files() -> BTreeMap<String, File> {
    let folder = fs::read_dir(root().join("tests/vectors")).expect("the folder");
    folder
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a readable file");
            let name = path.file_name().expect("a name").to_string_lossy();
            let file = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{name} is not as the README says: {error}"));
            (name.into_owned(), file)
        })
        .collect()
}

fn common(vector: &Value) -> Common {
    read(vector).expect("a name and a clause")
}

#[test]
fn every_vector_holds() {
    let mut findings = vec![];
    let mut count = 0;
    for file in files().values() {
        for vector in &file.vectors {
            count += 1;
            if let Err(finding) = check(file.kind, vector) {
                findings.push(format!("{}: {finding:.400}", common(vector).name));
            }
        }
    }
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    assert!(count > 250, "{count} vectors only");
}

#[test]
fn every_name_is_there_once_and_says_which_file_it_is_in() {
    let mut names = BTreeSet::new();
    for (file, content) in files() {
        let stem = file.trim_end_matches(".json");
        assert!(
            !content.about.is_empty(),
            "{file} says nothing about itself"
        );
        for vector in &content.vectors {
            let name = common(vector).name;
            let begins = name.starts_with(&format!("{stem}: "))
                || name.starts_with(&format!("{stem} command: "));
            assert!(begins, "{name} in {file}");
            assert!(names.insert(name.clone()), "{name} is there twice");
        }
    }
}

#[test]
fn every_vector_cites_a_clause_there_is() {
    let document = fs::read_to_string(root().join("docs/protocol.md")).expect("the clauses");
    for file in files().values() {
        for vector in &file.vectors {
            let Common { name, clause } = common(vector);
            assert!(
                document.contains(&format!("**[{clause}]")),
                "{name} cites {clause}"
            );
        }
    }
}

#[test]
fn the_readme_names_every_file_and_every_field() {
    let readme = fs::read_to_string(root().join("tests/vectors/README.md")).expect("the README");
    let mut words = BTreeSet::new();
    for (file, content) in files() {
        words.insert(file);
        for vector in content.vectors {
            keys(&vector, &mut words);
        }
    }
    let missing: Vec<_> = words
        .iter()
        .filter(|word| !readme.contains(&format!("`{word}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The names of all fields in `value`, at whatever depth.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.insert(key.clone());
                keys(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

/// What is given, not expected: changing it makes another vector, which may be as right.
const GIVEN: [&str; 6] = [
    "name",
    "clause",
    "bytes",
    "any_order",
    "payload_max",
    "canonical",
];

#[test]
fn a_vector_of_which_any_expectation_is_changed_does_not_hold() {
    for file in files().values() {
        for vector in &file.vectors {
            for (place, broken) in broken(vector, &GIVEN) {
                assert!(
                    check(file.kind, &broken).is_err(),
                    "{} holds with another {place}",
                    common(vector).name
                );
            }
        }
    }
}

/// Copies of `value`, each with one leaf changed, and where that is. Long repetitions are changed in their length.
fn broken(value: &Value, keep: &[&str]) -> Vec<(String, Value)> {
    let inside = |key: String, inner: &Value, put: &dyn Fn(Value) -> Value| {
        let changed = broken(inner, &[]).into_iter();
        changed
            .map(|(place, inner)| (format!("{key} {place}"), put(inner)))
            .collect::<Vec<_>>()
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !keep.contains(&key.as_str()))
            .flat_map(|(key, inner)| {
                inside(key.clone(), inner, &|inner| {
                    let mut fields = fields.clone();
                    fields.insert(key.clone(), inner);
                    Value::Object(fields)
                })
            })
            .collect(),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .flat_map(|(at, inner)| {
                inside(at.to_string(), inner, &|inner| {
                    let mut values = values.clone();
                    values[at] = inner;
                    Value::Array(values)
                })
            })
            .collect(),
        Value::Null => vec![(String::new(), Value::from(7))],
        Value::Bool(yes) => vec![(String::new(), Value::from(!yes))],
        Value::Number(number) => {
            let number = number.as_i64().expect("a small number");
            vec![(String::new(), Value::from(number ^ 1))]
        }
        Value::String(text) => {
            let last = if text.ends_with('0') { '1' } else { '0' };
            let mut changed = text.clone();
            changed.pop();
            changed.push(last);
            vec![(String::new(), Value::from(changed))]
        }
    }
}

#[test]
fn a_vector_that_is_not_as_described_is_refused() {
    let good = r#"{"name": "a", "clause": "P-31", "bytes": "08 08 00000007",
        "parse": {"status": 8, "identifier": "00000007", "name": "invalid token"}}"#;
    let check = |text: &str| {
        let vector = serde_json::from_str(text).expect("JSON");
        check(model::Kind::Error, &vector)
    };
    assert_eq!(check(good), Ok(()));
    for (from, to) in [
        ("\"clause\"", "\"clauses\""),
        ("08 08", "08 0"),
        ("08 08", "08 0G"),
        ("08 08", "08 0A"),
        ("\"08 08 00000007\"", r#"[{"repeat": "08"}]"#),
        ("\"08 08 00000007\"", "8"),
        ("\"parse\"", "\"no_answer\": true, \"parse\""),
        ("\"status\": 8", "\"status\": 256"),
        ("\"status\": 8,", ""),
        ("\"bytes\"", "\"surplus\": 1, \"bytes\""),
    ] {
        let broken = good.replacen(from, to, 1);
        assert_ne!(broken, good);
        assert!(check(&broken).is_err(), "{broken}");
    }
}
