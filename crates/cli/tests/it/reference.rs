//! The command reference in the documentation is the program's own.

use std::fs;
use std::path::Path;

use crate::support::Scene;

#[test]
fn documentation_says_what_the_program_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let now = Scene::new().ok(&["reference"]);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == now, "docs/cli.md is out of date; run the tests with UPDATE_DOCS=1 to write it anew");
}
