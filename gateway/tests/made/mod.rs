//! Pages of `docs/` that are made from what the code says. For every test target that makes one.

use std::path::Path;

/// Holds a page against what was made for it. With `UPDATE` in the environment it is written anew before. `test` is what makes it, as
/// arguments of `cargo test`.
pub(crate) fn compare(name: &str, made: &str, test: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, made).expect("the page can be written");
    }
    let shown = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = made
        .lines()
        .zip(shown.lines().chain(std::iter::repeat("")))
        .find(|(made, shown)| made != shown);
    assert!(
        made == shown,
        "docs/{name} differs from what it is made of, first in (made, shown)\n{differs:#?}\nrun `UPDATE=1 cargo test {test}`"
    );
}
