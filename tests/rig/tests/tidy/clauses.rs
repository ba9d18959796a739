//! The clauses of `docs/protocol.md`: every citation is of one, each names its sources and has a case in the conformance suite, and the cases hold where they
//! hold.

use std::collections::{BTreeMap, BTreeSet};

use apns_conformance::case::{Case, Profile};
use apns_conformance::clause::Clause;
use apns_conformance::{client, server};

use crate::sources::files;
use crate::{expect_none, read, root};

/// What says where a statement comes from.
const MARKS: [&str; 3] = ["*Apple says*", "*observed*", "*our choice*"];

/// Marks that need not name their source: the chapter has one, as the document says.
const SOURCED_BY_CHAPTER: [(char, &str); 3] = [
    ('P', "*Apple says*"),
    ('H', "*Apple says*"),
    ('C', "*observed*"),
];

fn document() -> String {
    read(&root().join("docs/protocol.md"))
}

/// Each clause with its text, white space made equal. It is stated where its number stands in bold; anything else is a reference.
fn stated(document: &str) -> BTreeMap<String, String> {
    let mut stated = BTreeMap::new();
    for part in document.split("**[").skip(1) {
        let (number, text) = part.split_once(']').expect("a number in brackets");
        let chapter_end = text.find("\n## ").unwrap_or(text.len());
        let words: Vec<_> = text[..chapter_end].split_whitespace().collect();
        let twice = stated.insert(number.to_owned(), words.join(" "));
        assert_eq!(twice, None, "{number} is stated twice");
    }
    assert!(stated.len() > 80, "{} clauses only", stated.len());
    stated
}

/// Every clause that `text` cites: `P-`, `C-` or `H-` and two digits, not inside a longer word.
fn clauses(text: &str) -> BTreeSet<String> {
    let bytes = text.as_bytes();
    let clause = |at: usize| {
        let word = bytes.get(at..at + 4)?;
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let free = |byte: Option<u8>| {
            byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && byte != b'-')
        };
        let form = matches!(word[0], b'P' | b'C' | b'H')
            && word[1] == b'-'
            && word[2..].iter().all(u8::is_ascii_digit);
        (form && free(before) && free(bytes.get(at + 4).copied()))
            .then(|| String::from_utf8_lossy(word).into_owned())
    };
    (0..bytes.len()).filter_map(clause).collect()
}

#[test]
fn every_cited_clause_is_in_the_protocol_document() {
    let stated: BTreeSet<_> = stated(&document()).into_keys().collect();
    let mut findings = Vec::new();
    for path in ["rs", "md", "json"].into_iter().flat_map(files) {
        // Its tests name clauses that there are not.
        if path.ends_with("conformance/src/clause.rs") || path.starts_with("tests/rig/tests/tidy") {
            continue;
        }
        for clause in clauses(&read(&root().join(&path))).difference(&stated) {
            findings.push(format!("{}: {clause}", path.display()));
        }
    }
    expect_none(
        "a clause is cited that docs/protocol.md does not state",
        &findings,
    );
}

#[test]
fn no_clause_that_was_given_out_is_gone() {
    let given_out = [
        ("P", 1..=8),
        ("P", 10..=24),
        ("P", 30..=47),
        ("P", 50..=56),
        ("P", 60..=65),
        ("C", 1..=18),
        ("H", 1..=6),
        ("H", 10..=22),
        ("H", 30..=32),
    ];
    let given_out: BTreeSet<_> = given_out
        .into_iter()
        .flat_map(|(side, numbers)| numbers.map(move |number| format!("{side}-{number:02}")))
        .collect();
    let stated: BTreeSet<_> = stated(&document()).into_keys().collect();
    assert_eq!(stated, given_out, "a new clause is added here too");
}

#[test]
fn every_clause_says_where_it_comes_from() {
    let document = document();
    let keys = keys(&document);
    let mut findings = Vec::new();
    for (number, text) in stated(&document) {
        if !MARKS.iter().any(|mark| text.contains(mark)) {
            findings.push(format!("{number} has none of {MARKS:?}"));
        }
        for mark in &MARKS[..2] {
            for after in text.split(mark).skip(1) {
                let by_chapter = SOURCED_BY_CHAPTER.contains(&(number.as_bytes()[0].into(), mark));
                let source = after
                    .strip_prefix(" (")
                    .and_then(|source| source.split(')').next());
                let known = match source {
                    None => by_chapter,
                    Some(names) if *mark == "*Apple says*" => {
                        names.split(", ").all(|name| keys.contains(name))
                    }
                    Some(report) => !report.is_empty(),
                };
                if !known {
                    findings.push(format!("{number}: {mark} without a source ({source:?})"));
                }
            }
        }
    }
    expect_none("a statement without a source", &findings);
}

/// The names of Apple's documents: first column of the table above the first chapter.
fn keys(document: &str) -> BTreeSet<String> {
    let preface = document.split("\n## ").next().unwrap_or_default();
    preface
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|cell| cell.split(", ").map(str::to_owned))
        .collect()
}

/// Name, clauses and profiles of each case of a suite.
fn facts<T>(
    chapters: &[&[&'static [Case<T>]]],
) -> impl Iterator<Item = (&'static str, &'static [Clause], &'static [Profile])> {
    let cases = chapters.iter().flat_map(|chapter| chapter.iter()).copied();
    cases
        .flatten()
        .map(|case| (case.name, case.clauses, case.profiles))
}

/// Why a clause has no case, where it says so.
fn no_case(text: &str) -> Option<&str> {
    let (_, why) = text.split_once("*no case*: ")?;
    why.split_once('.').map(|(why, _)| why)
}

#[test]
fn every_clause_has_a_case_or_says_why_it_has_none() {
    let cited: BTreeSet<_> = facts(server::CHAPTERS)
        .chain(facts(client::CHAPTERS))
        .flat_map(|(_, clauses, _)| clauses.iter().map(ToString::to_string))
        .collect();
    let mut findings = Vec::new();
    for (number, text) in stated(&document()) {
        match (cited.contains(&number), no_case(&text)) {
            (false, None) => findings.push(format!("{number} has no case")),
            (true, Some(why)) => findings.push(format!("{number} has a case: not `{why}`")),
            (false, Some(why)) if why.split_whitespace().count() < 5 => {
                findings.push(format!("{number} says too little: `{why}`"));
            }
            _ => {}
        }
    }
    expect_none(
        "a clause without a case in tests/conformance, or a mark *no case* that is none",
        &findings,
    );
}

#[test]
fn every_case_has_a_name_of_its_own_and_a_clause() {
    let mut findings = Vec::new();
    for facts in [
        facts(server::CHAPTERS).collect::<Vec<_>>(),
        facts(client::CHAPTERS).collect(),
    ] {
        let mut names = BTreeSet::new();
        for (name, clauses, _) in facts {
            if !names.insert(name) {
                findings.push(format!("{name} is there twice"));
            }
            if clauses.is_empty() {
                findings.push(format!("{name} cites no clause"));
            }
        }
    }
    expect_none("a case that cannot be told or looked up", &findings);
}

#[test]
fn every_case_cites_clauses_there_are_and_holds_where_they_hold() {
    let document = document();
    let stated = stated(&document);
    let mut findings = Vec::new();
    for (name, clauses, profiles) in facts(server::CHAPTERS).chain(facts(client::CHAPTERS)) {
        let cited: Vec<_> = clauses.iter().map(ToString::to_string).collect();
        let unknown = cited.iter().filter(|clause| !stated.contains_key(*clause));
        findings.extend(unknown.map(|clause| format!("{name}: {clause} is not stated")));
        let only = match profiles {
            [Profile::Apple] => "*apple only*",
            [Profile::Bridge] => "*bridge only*",
            _ => continue,
        };
        // The chapters of the courier and of HTTP/2 hold in one profile as a whole.
        let said = |clause: &String| {
            (only == "*apple only*" && !clause.starts_with('P'))
                || stated.get(clause).is_some_and(|text| text.contains(only))
        };
        if !cited.iter().any(said) {
            findings.push(format!("{name}: none of {cited:?} says {only}"));
        }
    }
    expect_none(
        "a case that docs/protocol.md does not stand behind",
        &findings,
    );
}

#[test]
fn marks_sources_and_citations_are_read_as_they_are_written() {
    let cited: Vec<_> = clauses("[P-01], `P-22`; HTTP-2x, P-333, UP-44, [C-05], [H-12]")
        .into_iter()
        .collect();
    assert_eq!(cited, ["C-05", "H-12", "P-01", "P-22"]);
    let keys = keys(
        "| | document |\n|---|---|\n| BIN, LEG | a guide |\n| TN2265 | a note |\n\n## 1\n| X | y |",
    );
    assert!(
        ["BIN", "LEG", "TN2265"]
            .iter()
            .all(|key| keys.contains(*key))
    );
    assert!(!keys.contains("X"));
    let why = no_case("Nobody does. *no case*: nobody can see it. More.");
    assert_eq!(why, Some("nobody can see it"));
    assert_eq!(no_case("Nobody does."), None);
}
