//! What an embedder does as the command does it: a session, a mission in the background, work, references, worktrees.

use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use missiond_core::access::{
    Access, AccessErrorKind, Background, References, Session, background_log, require_free,
    start_in_background, workspace_request,
};
use missiond_core::ports::{Change, Store, Workspaces as _};
use missiond_core::project::Project;
use missiond_core::store::{OpenMode, SqliteStore};
use missiond_core::{AgentKind, DriverKind, ErrorKind, NewTask, TaskId, WorkspaceRecord};

use crate::access::Scene;

const SLOT: &str = "[[slot]]\nid = \"one\"\nagent = \"scripted\"\n";

fn scripted() -> Option<AgentKind> {
    Some("scripted".parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn session_uses_the_mission_that_runs_and_takes_its_place_when_it_ends() {
    let scene = Scene::new("[core]\nmax_concurrent_agents = 1\n");
    let open = || Session::open(scene.project(), scripted(), DriverKind::Headless);
    // However many begin at once, one of them owns the project.
    let (first, second) = tokio::join!(open(), open());
    let (first, second) = (first.unwrap(), second.unwrap());
    let (owner, mut guest) = if first.agent_of_tasks().is_some() { (first, second) } else { (second, first) };
    assert_eq!(owner.agent_of_tasks(), scripted());
    assert_eq!(guest.agent_of_tasks(), None, "only the owner has to be told");
    assert!(guest.access().is_running());
    assert_eq!(require_free(guest.project()).unwrap_err().kind(), ErrorKind::Conflict);

    owner.close("over").await.unwrap();
    let error = guest.access().newest().await.unwrap_err();
    assert!(error.owner_is_gone(), "{error}");
    guest.ensure().await.unwrap();
    assert_eq!(guest.agent_of_tasks(), scripted(), "now it is the owner");
    guest.access().newest().await.unwrap();
    let project = scene.project();
    guest.close("over").await.unwrap();
    require_free(&project).unwrap();
    assert!(!project.paths.runtime_dir().exists());
}

#[tokio::test]
async fn program_that_ends_instead_of_running_a_mission_is_quoted() {
    let scene = Scene::new(SLOT);
    let project = scene.project();
    let start = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        start_in_background(&project, command)
    };
    for _ in 0..2 {
        let Background::Ended { status, output } = start("echo nothing doing >&2; exit 7").await.unwrap()
        else {
            panic!("it runs");
        };
        // What the log held before is not repeated.
        assert_eq!((status.code(), output.as_str()), (Some(7), "nothing doing"));
    }
    let Background::Ended { output, .. } = start("head -c 100000 /dev/zero | tr '\\0' x").await.unwrap()
    else {
        panic!("it runs");
    };
    assert_eq!(output.len(), 2000);
    assert!(background_log(&project).metadata().unwrap().len() > 100_000);
    let error = start_in_background(&project, Command::new("/nowhere/program")).await.unwrap_err();
    assert!(error.to_string().contains("could not be started"), "{error}");
}

#[tokio::test]
async fn work_is_that_of_a_task_or_on_a_branch() {
    let scene = Scene::new(SLOT);
    let project = scene.project();
    scene.git(&["checkout", "-q", "-b", "feature/x"]);
    std::fs::write(scene.directory.path().join("new.txt"), "new\n").unwrap();
    scene.git(&["add", "new.txt"]);
    scene.git(&["commit", "-q", "-m", "Add"]);
    scene.git(&["checkout", "-q", "main"]);
    let access = Access::open(&project).await.unwrap();
    let work = access.find_work(&project, "feature/x").await.unwrap();
    assert_eq!((work.branch.as_str(), work.base.as_str()), ("feature/x", "HEAD"));
    let diff = work.diff(&project, 1 << 20).await.unwrap();
    assert!(!diff.truncated && String::from_utf8(diff.bytes).unwrap().contains("+new"));
    assert!(work.diff(&project, 10).await.unwrap().truncated);

    let id = access.submit(NewTask::new("x")).await.unwrap();
    let access = Access::open(&project).await.unwrap();
    let check = async |text: &str, kind: ErrorKind, said: &str| {
        let error = access.find_work(&project, text).await.unwrap_err();
        assert_eq!(error.kind(), AccessErrorKind::Core(kind), "{text}: {error}");
        assert!(error.to_string().contains(said), "{text}: {error}");
    };
    check("feature/y", ErrorKind::Missing, "no task and no branch `feature/y`").await;
    check("\u{1b}[2J", ErrorKind::Missing, "\\u{1b}").await;
    check(&id.to_string(), ErrorKind::Conflict, "is queued; wait for its end").await;
    access.cancel(id, "no").await.unwrap();
    check(&id.to_string(), ErrorKind::Missing, "never had a branch").await;
}

#[tokio::test]
async fn request_refers_to_tasks_by_parts_of_their_ids() {
    let scene = Scene::new(SLOT);
    let project = scene.project();
    let access = Access::open(&project).await.unwrap();
    let mut earlier = NewTask::new("earlier");
    earlier.agent = scripted();
    let (one, two) = (access.submit(earlier).await.unwrap(), access.submit(NewTask::new("b")).await.unwrap());
    let access = Access::open(&project).await.unwrap();
    let claude: AgentKind = "claude".parse().unwrap();
    let after = References { after: vec![one.short(), two.to_string()], follow_up: None };
    let request = access.refer(NewTask::new("x"), &after, Some(claude.clone())).await.unwrap();
    assert_eq!(request.depends_on, [one, two]);
    assert_eq!(request.agent, Some(claude.clone()));
    assert_eq!(access.agent_wanted(None, &after).await.unwrap(), None);

    let follow = References { after: Vec::new(), follow_up: Some(one.short()) };
    let request = access.refer(NewTask::new("x"), &follow, Some(claude.clone())).await.unwrap();
    assert_eq!((request.follow_up, request.agent), (Some(one), scripted()), "the earlier task decides");
    assert_eq!(access.agent_wanted(None, &follow).await.unwrap(), scripted());
    assert_eq!(access.agent_wanted(Some(&claude), &follow).await.unwrap(), Some(claude));
    let nobody = References { after: vec!["ffffffff".to_owned()], follow_up: None };
    let error = access.refer(NewTask::new("x"), &nobody, None).await.unwrap_err();
    assert_eq!(error.kind(), AccessErrorKind::Core(ErrorKind::Missing));
}

async fn make(project: &Project, issue: &str) -> WorkspaceRecord {
    std::fs::write(project.root().join(".git/info/exclude"), ".trees\n").unwrap();
    let request = workspace_request(&project.settings, project.root(), issue).unwrap();
    project.workspaces().create(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn worktree_is_removed_once_and_never_under_another_holder() {
    let scene = Scene::new("[worktree]\nbase_path = \".trees\"\nnaming_pattern = \"w-{issue_id}\"\n");
    let project = scene.project();
    let record = make(&project, "7").await;
    let access = Access::open(&project).await.unwrap();
    let name = missiond_git::WorkspaceName::new(record.name.clone()).unwrap();
    let repository = project.workspaces().repository();
    repository.lease(&name, "an agent").unwrap();
    let error = access.remove_worktree(&project, "7").await.unwrap_err();
    assert_eq!(error.kind(), AccessErrorKind::Core(ErrorKind::Conflict), "{error}");
    assert!(error.to_string().contains("an agent"), "{error}");
    repository.release(&name, "an agent").unwrap();

    std::fs::write(record.path.join("unsaved.txt"), "unsaved").unwrap();
    let removals = (0..4).map(|_| access.remove_worktree(&project, "7"));
    let removed: Vec<_> = futures_of(removals).await;
    // The holder's name is the process's, so that even its own removals meet one that is under way.
    let done: Vec<_> = removed.iter().filter_map(|removed| removed.as_ref().ok()).collect();
    assert_eq!(done.len(), 1, "{removed:?}");
    assert_eq!((done[0].name.as_str(), done[0].branch.as_str()), (record.name.as_str(), "feature/7"));
    assert!(done[0].rescue.as_ref().unwrap().starts_with("refs/missiond/rescue/"));
    assert!(!record.path.exists());
    let gone = access.remove_worktree(&project, "7").await.unwrap_err();
    assert_eq!(gone.kind(), AccessErrorKind::Core(ErrorKind::Missing), "{gone}");
}

/// All of them at once.
async fn futures_of<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in all.iter_mut().filter(|(_, output)| output.is_none()) {
            if let std::task::Poll::Ready(ready) = future.as_mut().poll(context) {
                *output = Some(ready);
            }
        }
        if all.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test]
async fn worktree_that_a_task_may_just_have_made_is_not_removed() {
    let scene = Scene::new(
        "[worktree]\nbase_path = \".trees\"\nnaming_pattern = \"w-{issue_id}\"\n[[slot]]\nid = \"one\"\nagent = \"scripted\"\n",
    );
    let project = scene.project();
    let before = make(&project, "before").await;
    let task = access(&project).await.submit(NewTask::new("x")).await.unwrap();
    let token = lease(&project, task).await;
    // The attempt has made its worktree, and has not written so down yet.
    let record = make(&project, "9").await;
    let refused = access(&project).await.remove_worktree(&project, "9").await.unwrap_err();
    assert_eq!(refused.kind(), AccessErrorKind::Core(ErrorKind::Conflict));
    assert!(refused.to_string().contains(&format!("task {task} works in")), "{refused}");
    access(&project).await.remove_worktree(&project, "before").await.unwrap();
    assert!(!before.path.exists(), "one that is older cannot be the task's");

    let at = Timestamp::now();
    let store = SqliteStore::open(project.paths.database(), OpenMode::Owner).unwrap();
    store.apply(Change::SetWorkspace { task, token, workspace: record.clone(), at }).await.unwrap();
    drop(store);
    access(&project).await.remove_worktree(&project, "9").await.unwrap_err();
    let other = make(&project, "10").await;
    access(&project).await.remove_worktree(&project, "10").await.unwrap();
    assert!(!other.path.exists() && record.path.exists());
    access(&project).await.cancel(task, "no").await.unwrap();
    access(&project).await.remove_worktree(&project, "9").await.unwrap();
    assert!(!record.path.exists());
}

async fn access(project: &Project) -> Access {
    Access::open(project).await.unwrap()
}

/// Gives a task to the slot, as a mission does.
async fn lease(project: &Project, task: TaskId) -> missiond_core::LeaseToken {
    let store = SqliteStore::open(project.paths.database(), OpenMode::Owner).unwrap();
    let at = Timestamp::now();
    let slots = project.settings.slots.clone();
    store.apply(Change::ConfigureSlots { slots, at }).await.unwrap();
    let until = at + SignedDuration::from_mins(10);
    let lease = Change::LeaseTask { task, slot: "one".parse().unwrap(), at, until };
    store.apply(lease).await.unwrap().lease.unwrap().token
}
