//! `docs/protocol.md` is what the source cites: every citation leads somewhere, every clause says where it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

fn document() -> String {
    fs::read_to_string(root().join("docs/protocol.md")).expect("the numbered clauses")
}

/// Clause numbers between `open` and `close`: `P-17` in `[P-17]`.
fn numbers(text: &str, open: char, close: char) -> impl Iterator<Item = &str> {
    text.split(open).skip(1).filter_map(move |rest| {
        let number = rest.get(..4)?;
        let digits = number
            .strip_prefix("P-")
            .or_else(|| number.strip_prefix("C-"))?;
        let whole =
            rest[4..].starts_with(close) && digits.bytes().all(|byte| byte.is_ascii_digit());
        whole.then_some(number)
    })
}

/// Each clause with its text. A clause begins where its number stands in bold.
fn clauses(document: &str) -> BTreeMap<&str, &str> {
    let mut clauses = BTreeMap::new();
    for part in document.split("**[").skip(1) {
        let (number, text) = part.split_once(']').expect("a number in brackets");
        assert_eq!(
            clauses.insert(number, text),
            None,
            "{number} is defined twice"
        );
    }
    clauses
}

#[test]
fn every_number_that_was_given_out_is_a_clause() {
    let given_out: BTreeSet<String> = [
        ("P", 1..=8),
        ("P", 10..=24),
        ("P", 30..=47),
        ("P", 50..=56),
        ("P", 60..=65),
        ("C", 1..=18),
        ("H", 1..=6),
        ("H", 10..=22),
        ("H", 30..=32),
    ]
    .into_iter()
    .flat_map(|(side, numbers)| numbers.map(move |number| format!("{side}-{number:02}")))
    .collect();
    let document = document();
    let defined: BTreeSet<String> = clauses(&document).into_keys().map(str::to_owned).collect();
    assert_eq!(defined, given_out);
}

#[test]
fn every_clause_says_where_it_comes_from() {
    for (number, text) in clauses(&document()) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let sourced = ["*Apple says*", "*observed*", "*our choice*"]
            .iter()
            .any(|mark| text.contains(mark));
        assert!(
            sourced,
            "{number} says neither who said it nor that we chose it"
        );
    }
}

#[test]
fn every_citation_leads_to_a_clause() {
    let document = document();
    let clauses = clauses(&document);
    let mut cited = 0;
    for file in files(&root()) {
        let text = fs::read_to_string(&file).expect("a readable file");
        for number in numbers(&text, '[', ']').chain(numbers(&text, '"', '"')) {
            assert!(
                clauses.contains_key(number),
                "{} cites {number}",
                file.display()
            );
            cited += 1;
        }
    }
    assert!(
        cited > 200,
        "only {cited} citations: the walk has lost its way"
    );
}

/// Sources and documents of the workspace.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                found.extend(files(&path));
            }
        } else if name.ends_with(".rs") || name.ends_with(".md") {
            found.push(path);
        }
    }
    found
}
