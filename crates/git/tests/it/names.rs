//! Names are judged as git judges them.

use missiond_git::{BranchName, MAX_BRANCH_NAME, ObjectId, WorkspaceName};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

use crate::scene::git_output;

fn git_accepts(name: &str) -> bool {
    // `--branch` would expand `@{-1}`, so the full ref is asked about, and what `--branch` adds by hand.
    let full = format!("refs/heads/{name}");
    let dir = std::env::temp_dir();
    !name.starts_with('-')
        && name != "HEAD"
        && git_output(&dir, &["check-ref-format", &full]).status.success()
}

#[test]
fn branch_names_follow_check_ref_format() {
    let cases = [
        "a",
        "a/b",
        "feature/x-1",
        "ünï/cødé",
        "a.b",
        "a@b",
        "v1.0",
        "-a",
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        ".a",
        "a/.b",
        "a.",
        "a..b",
        "a.lock",
        "a.lock/b",
        "a b",
        "a\tb",
        "a\nb",
        "a~",
        "a^",
        "a:",
        "a?",
        "a*",
        "a[",
        "a\\",
        "a@{b",
        "HEAD",
        "head",
        "a]",
        "{a}",
        "a\u{7f}",
        "a.locked",
        "refs/heads/a",
    ];
    for case in cases {
        assert_eq!(BranchName::new(case).is_ok(), git_accepts(case), "{case:?}");
    }
    // Git takes a lone @ as a branch in the full form only; nobody can name it in a command.
    assert!(BranchName::new("@").is_err());
    assert!(BranchName::new("x".repeat(MAX_BRANCH_NAME)).is_ok());
    assert!(BranchName::new("x".repeat(MAX_BRANCH_NAME + 1)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_branch_name_is_judged_as_git_does(name in r"[a-c./@{\-~\[ \x01é]{1,8}|[a.]{1,4}(lock|\.lock)?") {
        if name != "@" {
            prop_assert_eq!(BranchName::new(name.clone()).is_ok(), git_accepts(&name), "{:?}", name);
        }
    }
}

#[test]
fn workspace_names_are_one_component() {
    for good in ["a", "fix-1", "naïve", "a.b", "x".repeat(100).as_str()] {
        assert!(WorkspaceName::new(good).is_ok(), "{good:?}");
    }
    for bad in
        ["", ".", "..", "a/b", "../a", ".hidden", "a b", "a\n", "-x", "x.lock", "x".repeat(101).as_str()]
    {
        let error = WorkspaceName::new(bad).unwrap_err();
        assert!(error.to_string().contains("workspace name"), "{error}");
    }
}

#[test]
fn object_ids_are_hex() {
    assert!(ObjectId::new("a".repeat(40)).is_ok() && ObjectId::new("0".repeat(64)).is_ok());
    for bad in [String::new(), "a".repeat(39), "A".repeat(40), "g".repeat(40), "a".repeat(41)] {
        assert!(ObjectId::new(bad).is_err());
    }
}
