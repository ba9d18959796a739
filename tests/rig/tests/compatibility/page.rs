//! The page: tables between two comments each, in prose that is written by hand.

use std::collections::BTreeSet;

use crate::results::{Case, Results, Run};
use crate::{root, update};

const PATH: &str = "docs/compatibility.md";

/// What ends every part that is made.
const END: &str = "<!-- end -->";

/// The page with its parts made anew.
fn made(page: &str, results: &Results) -> String {
    let mut made = page.to_owned();
    fill(&mut made, "servers", &servers(&results.servers));
    fill(&mut made, "clients", &clients(results));
    for run in &results.clients {
        fill(&mut made, &run.subject, &findings(run, results));
    }
    made
}

/// Puts `text` between the comment with this name and the next end.
fn fill(page: &mut String, name: &str, text: &str) {
    let start = format!("<!-- made: {name} -->");
    let from = page
        .find(&start)
        .unwrap_or_else(|| panic!("{PATH} has no place for {name}: write {start} and {END}"));
    let from = from + start.len();
    let len = page[from..].find(END).expect("what is made has an end");
    page.replace_range(from..from + len, &format!("\n{text}"));
}

/// Without numbers of cases, which grow with the suite: CI holds that all pass, and for want of what some are not asked.
fn servers(runs: &[Run]) -> String {
    let mut lines = vec![
        "| what was tested | profile | passes | not asked what needs |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    for run in runs {
        let options = run.skipped.values().map(|option| format!("`{option}`"));
        let options = options.collect::<BTreeSet<_>>();
        let options = Vec::from_iter(options).join(", ");
        let Run {
            subject, profile, ..
        } = run;
        let passes = match run.otherwise().count() {
            0 => "all".to_owned(),
            count => format!("all but {count}"),
        };
        lines.push(format!(
            "| `{subject}` | {profile} | {passes} | {options} |"
        ));
    }
    for run in runs {
        for (case, why) in run.otherwise() {
            lines.push(format!("\n`{}`: `{case}`: {why}.", run.subject));
        }
    }
    lines.join("\n") + "\n"
}

fn clients(results: &Results) -> String {
    let runs = &results.clients;
    let row = |first: &str, cells: Vec<String>| format!("| {first} | {} |", cells.join(" | "));
    let of_each = |cell: &dyn Fn(&Run) -> String| runs.iter().map(cell).collect::<Vec<_>>();
    let mut lines = vec![
        row("case", of_each(&|run| run.subject.clone())),
        row("---", of_each(&|_| "---".to_owned())),
    ];
    for case in &results.cases {
        let Case {
            name,
            title,
            clauses,
            basis,
        } = case;
        let basis = match basis.as_str() {
            "apple-says" => "Apple says",
            "our-choice" => "our choice",
            basis => basis,
        };
        let first = format!("`{name}`: {title} ([{}], {basis})", clauses.join("], ["));
        lines.push(row(&first, of_each(&|run| mark(run, name).to_owned())));
    }
    let failed = of_each(&|run| format!("**{}**", run.failed.len()));
    lines.push(row("**failed**", failed));
    lines.join("\n") + "\n"
}

fn mark(run: &Run, case: &str) -> &'static str {
    if run.failed.contains_key(case) {
        "**fails**"
    } else if run.noted.contains_key(case) {
        "otherwise"
    } else if run.skipped.contains_key(case) {
        "not asked"
    } else {
        "✓"
    }
}

fn findings(run: &Run, results: &Results) -> String {
    let found = results.cases.iter().filter_map(|case| {
        let mut found = run.otherwise();
        let (_, why) = found.find(|(name, _)| *name == case.name)?;
        Some(format!("- `{}`: {why}.\n", case.name))
    });
    match found.collect::<String>() {
        found if found.is_empty() => "Nothing.\n".to_owned(),
        found => found,
    }
}

#[test]
fn the_page_shows_what_was_found() {
    let path = root(PATH);
    let shown = std::fs::read_to_string(&path).expect("the page can be read");
    let made = made(&shown, &Results::read());
    if update() {
        std::fs::write(&path, &made).expect("the page can be written");
    } else {
        let differs: Vec<_> = made
            .lines()
            .zip(shown.lines())
            .filter(|(made, shown)| made != shown)
            .collect();
        assert!(
            made == shown,
            "{PATH} differs from docs/compatibility.json, (made, shown): {differs:#?}\nrun `just compatibility`"
        );
    }
}
