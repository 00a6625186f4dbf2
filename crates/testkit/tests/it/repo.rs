//! The git fixtures.

use missiond_testkit::repo::{Repo, git_in};

#[test]
fn commits_branches_and_clones() {
    let repo = Repo::with_commit().unwrap();
    let first = repo.head().unwrap();
    repo.write("src/deep/a.txt", "one\n").unwrap();
    assert_ne!(repo.commit("Add a").unwrap(), first);
    repo.git(&["branch", "topic"]).unwrap();
    assert_eq!(repo.branches().unwrap(), ["main", "topic"]);
    assert_eq!(repo.show("main", "src/deep/a.txt").unwrap(), "one");
    assert_eq!(repo.git(&["status", "--porcelain"]).unwrap(), "");

    let clone = Repo::clone_of(&repo).unwrap();
    assert_eq!(clone.head().unwrap(), repo.head().unwrap());
    clone.commit_file("b.txt", "two", "Add b").unwrap();
    assert_ne!(clone.head().unwrap(), repo.head().unwrap());
}

#[test]
fn the_identity_is_in_the_repository_itself() {
    let repo = Repo::with_commit().unwrap();
    assert_eq!(repo.git(&["config", "--local", "user.email"]).unwrap(), "test@example.com");
    assert_eq!(repo.git(&["log", "-1", "--format=%an <%ae>"]).unwrap(), "Test <test@example.com>");
}

#[test]
fn a_failing_git_says_what_it_said() {
    let repo = Repo::empty().unwrap();
    let problem = repo.git(&["checkout", "nowhere"]).unwrap_err().to_string();
    assert!(problem.contains("git checkout nowhere") && problem.contains("pathspec"), "{problem}");
    assert!(repo.commit("nothing").is_err());
    let path = repo.path().to_owned();
    drop(repo);
    assert!(!path.exists());
    assert!(git_in(std::path::Path::new("/"), &["rev-parse"]).is_err());
}
