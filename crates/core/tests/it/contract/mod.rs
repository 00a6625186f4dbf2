//! Our implementations of the ports pass the suites, and the suites can fail.

mod broken;
mod driver;
mod store;

use std::path::PathBuf;
use std::sync::Arc;

use missiond_core::adapters::{AuditFile, GitWorkspaces, PolicyGate};
use missiond_core::contract::{audit, clock, containment, gate, workspaces};
use missiond_core::ports::{NoContainment, Seat, SystemClock};
use missiond_core::project::{Project, ProjectOptions};
use missiond_core::{Role, TaskId};
use missiond_testkit::repo::Repo;

#[tokio::test(flavor = "multi_thread")]
async fn system_clock() {
    clock::check(Arc::new(SystemClock), |time| Box::pin(tokio::time::sleep(time))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_containment() {
    let workspace = tempfile::tempdir().unwrap();
    containment::check(Arc::new(NoContainment), workspace.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_gate() {
    let (repo, gate, seat) = gate_and_seat();
    gate::check(Arc::new(gate), seat).await;
    drop(repo);
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_file() {
    let repo = Repo::with_commit().unwrap();
    let project = Project::discover(repo.path(), &ProjectOptions::default()).unwrap();
    let file = AuditFile::load(&project.settings, &project.config);
    let path = file.paths().current().to_owned();
    let records = move || {
        std::fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    audit::check(Arc::new(file), records).await;
}

fn gate_and_seat() -> (Repo, PolicyGate, Seat) {
    let repo = Repo::with_commit().unwrap();
    let project = Project::discover(repo.path(), &ProjectOptions::default()).unwrap();
    let seat = Seat::new(
        "s1".parse().unwrap(),
        Role::default(),
        "claude".parse().unwrap(),
        TaskId::generate(),
        repo.path().to_owned(),
        repo.path().to_owned(),
    );
    let gate = project.gate().unwrap();
    (repo, gate, seat)
}

#[tokio::test(flavor = "multi_thread")]
async fn git_workspaces() {
    workspaces::check(|| Box::pin(async { place(|workspaces| Arc::new(workspaces)) })).await;
}

fn place(wrap: impl FnOnce(GitWorkspaces) -> Arc<dyn missiond_core::ports::Workspaces>) -> workspaces::Place {
    let repo = Repo::empty().unwrap();
    repo.commit_file("README.md", "begin\n", "Begin").unwrap();
    let base: PathBuf = repo.beside("workspaces");
    std::fs::create_dir(&base).unwrap();
    let git = GitWorkspaces::discover(repo.path()).unwrap();
    let checkout = repo.path().to_owned();
    workspaces::Place::new(wrap(git), checkout, base, Box::new(repo))
}
