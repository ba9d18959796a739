//! `docs/promise.md` names the tests that keep the promise: they exist, and none is forgotten.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{expect_none, read, root};

/// The sentences of the promise.
const PROMISE: &[&str] = &[
    "Barrier",
    "No loss",
    "Accounting",
    "At least once",
    "Order",
    "Fairness",
];

/// The scenarios of the order contract.
const SCENARIOS: std::ops::RangeInclusive<u32> = 1..=17;

/// Where their tests are.
const SCENARIO_TESTS: &str = "gateway/tests/contract";

/// The tests named in the rows of a document's tables, as file and function, by the row's first cell.
fn rows(document: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut rows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in document.lines().filter(|line| line.starts_with('|')) {
        let first = line.split('|').nth(1).unwrap_or_default().trim().to_owned();
        let tests = line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter_map(|span| span.split_once("::"))
            .map(|(file, test)| (file.to_owned(), test.to_owned()));
        rows.entry(first).or_default().extend(tests);
    }
    rows
}

/// The functions of a file that are tests.
fn tests(text: &str) -> Vec<&str> {
    let mut tests = Vec::new();
    let mut announced = false;
    for line in text.lines().map(str::trim) {
        let name = ["fn ", "async fn "]
            .iter()
            .find_map(|start| line.strip_prefix(start))
            .and_then(|rest| rest.split(['(', '<']).next());
        match name {
            Some(name) if std::mem::take(&mut announced) => tests.push(name),
            _ => announced |= line.starts_with("#[test]") || line.starts_with("#[tokio::test"),
        }
    }
    tests
}

#[test]
fn the_tests_that_keep_the_promise_exist() {
    let rows = rows(&read(&root().join("docs/promise.md")));
    let mut findings = Vec::new();
    for (file, test) in rows.values().flatten() {
        let path = root().join(file);
        if !path.is_file() {
            findings.push(format!("{file} is no file"));
        } else if !tests(&read(&path)).contains(&test.as_str()) {
            findings.push(format!("{file} has no test {test}"));
        }
    }
    let keys = PROMISE.iter().map(ToString::to_string);
    for key in keys.chain(SCENARIOS.map(|number| number.to_string())) {
        if rows.get(&key).is_none_or(Vec::is_empty) {
            findings.push(format!("no test for {key}"));
        }
    }
    expect_none("docs/promise.md names what there is not", &findings);
}

#[test]
fn every_test_of_a_scenario_is_listed_at_its_scenario() {
    let rows = rows(&read(&root().join("docs/promise.md")));
    let mut findings = Vec::new();
    for entry in std::fs::read_dir(root().join(SCENARIO_TESTS)).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let file = format!("{SCENARIO_TESTS}/{name}");
        for test in tests(&read(Path::new(&path))) {
            let Some((number, _)) = test
                .strip_prefix("scenario_")
                .and_then(|rest| rest.split_once('_'))
            else {
                continue;
            };
            let listed = (file.clone(), test.to_owned());
            if !rows.get(number).is_some_and(|row| row.contains(&listed)) {
                findings.push(format!("{number}: `{file}::{test}`"));
            }
        }
    }
    expect_none(
        "docs/promise.md does not list a test of a scenario",
        &findings,
    );
}

#[test]
fn rows_and_tests_are_read_as_they_are_written() {
    let rows = rows("| 3 | `exact` | `a/b.rs::one`<br>`c.rs::two` |\ntext `d.rs::three`");
    let named = |file: &str, test: &str| (file.to_owned(), test.to_owned());
    assert_eq!(
        rows,
        [(
            "3".to_owned(),
            vec![named("a/b.rs", "one"), named("c.rs", "two")]
        )]
        .into()
    );
    let text = "#[test]\nfn one() {}\nfn no() {}\n#[tokio::test(start_paused = true)]\nasync fn two()\n {\n#[test]\n#[expect(x)]\nfn three(";
    assert_eq!(tests(text), ["one", "two", "three"]);
}
