//! Naming things by parts of their ids, and reaching a project that nobody owns.

use missiond_core::access::{Access, AccessError, AccessErrorKind, find, seats_for, workspace_request};
use missiond_core::project::{Project, ProjectOptions};
use missiond_core::{DriverKind, ErrorKind, NewTask, Seq, Task, TaskId, TaskStatus};

fn id(text: &str) -> TaskId {
    text.parse().unwrap()
}

const FIRST: &str = "01890000-0000-7000-8000-0000000000aa";
const SECOND: &str = "01890000-0000-7000-8000-0000000000bb";
const THIRD: &str = "01890001-0000-7000-8000-00aa000000cc";

#[test]
fn find_takes_what_no_other_has() {
    let all = [(id(FIRST), "first"), (id(SECOND), "second"), (id(THIRD), "third\nline")];
    let check = |text: &str, expected: Result<&str, (ErrorKind, &[&str])>| match (
        find("task", text, all),
        expected,
    ) {
        (Ok(found), Ok(expected)) => assert_eq!(found, id(expected), "{text}"),
        (Err(error), Err((kind, said))) => {
            assert_eq!(error.kind(), kind, "{text}");
            for part in said {
                assert!(error.to_string().contains(part), "{text}: {part:?} in {error}");
            }
        }
        (found, expected) => panic!("{text}: {found:?} instead of {expected:?}"),
    };
    check(FIRST, Ok(FIRST));
    check(&FIRST.to_uppercase(), Ok(FIRST));
    check("00bb", Ok(SECOND));
    check("bb", Err((ErrorKind::Missing, &["`bb`", "4 characters"])));
    check("01890001", Ok(THIRD));
    check("0189-0001", Ok(THIRD));
    // The short form is the last twelve digits, and a beginning of it counts.
    check("00aa0000", Ok(THIRD));
    check("018900", Err((ErrorKind::Invalid, &["ambiguous", FIRST, SECOND, THIRD, "(third)"])));
    // What every id of these months begins with names none of them.
    check("01890", Err((ErrorKind::Missing, &["`01890`"])));
    check("", Err((ErrorKind::Missing, &["no task"])));
    check("xyz", Err((ErrorKind::Missing, &["`xyz`"])));
    check("\u{1b}[2J", Err((ErrorKind::Missing, &["\\u{1b}"])));
    check("ffff", Err((ErrorKind::Missing, &["`ffff`"])));
}

#[test]
fn find_names_a_bounded_number_of_candidates() {
    let many: Vec<TaskId> = (0..1000).map(|_| TaskId::generate()).collect();
    let beginning = &many[0].to_string()[..6];
    let error = find("task", beginning, many.iter().map(|id| (*id, "x"))).unwrap_err().to_string();
    assert!(error.contains("more") && error.len() < 1000, "{error}");
}

/// A repository with a configuration.
pub(crate) struct Scene {
    pub(crate) directory: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(".missiond")).unwrap();
        std::fs::write(directory.path().join(".missiond/config.toml"), config).unwrap();
        let scene = Self { directory };
        scene.git(&["init", "-q", "-b", "main"]);
        scene.git(&["commit", "-q", "--allow-empty", "-m", "Begin"]);
        scene
    }

    pub(crate) fn git(&self, args: &[&str]) {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=T", "-c", "user.email=t@example.com"]).args(args);
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        assert!(git.current_dir(self.directory.path()).output().unwrap().status.success(), "{args:?}");
    }

    pub(crate) fn project(&self) -> Project {
        Project::discover(self.directory.path(), &ProjectOptions::default()).unwrap()
    }
}

fn kind(error: &AccessError) -> AccessErrorKind {
    error.kind()
}

#[tokio::test]
async fn project_without_an_owner_is_read_and_written_all_the_same() {
    let scene = Scene::new("[[slot]]\nid = \"one\"\nagent = \"scripted\"\n");
    let project = scene.project();
    let access = Access::open(&project).await.unwrap();
    assert!(!access.is_running());
    assert_eq!(access.tasks(&[], None).await.unwrap(), []);
    assert_eq!(access.newest().await.unwrap(), Seq(0));

    let first = access.submit(NewTask::new("do it")).await.unwrap();
    // What was opened before there was a store knows of none; opened again, it does.
    let access = Access::open(&project).await.unwrap();
    assert_eq!(access.task(first).await.unwrap().status, TaskStatus::Queued);
    assert_eq!(access.find_task(&first.short()).await.unwrap().id, first);
    let mut events = access.events(Seq(0), false).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().seq, Seq(1));
    assert!(events.next().await.unwrap().is_none());

    let missing = access.wait(first).await.unwrap_err();
    assert!(matches!(missing, AccessError::NotRunning { .. }), "{missing}");
    assert_eq!(kind(&missing), AccessErrorKind::Core(ErrorKind::Missing));
    access.cancel(first, "no longer wanted").await.unwrap();
    let again = access.cancel(first, "twice").await.unwrap_err();
    assert_eq!(kind(&again), AccessErrorKind::Core(ErrorKind::Conflict));
    let second = access.retry(first).await.unwrap();
    assert_eq!(access.task(second).await.unwrap().request.prompt, "do it");

    let empty = access.submit(NewTask::new(" ")).await.unwrap_err();
    assert_eq!(kind(&empty), AccessErrorKind::Core(ErrorKind::Invalid));
    let mut other = NewTask::new("x");
    other.role = "painter".parse().unwrap();
    let unservable = access.submit(other).await.unwrap_err();
    assert_eq!(kind(&unservable), AccessErrorKind::Core(ErrorKind::Missing));
}

#[test]
fn slots_are_made_for_whoever_waits() {
    let scene = Scene::new("[core]\nmax_concurrent_agents = 2\n[agent]\ndefault = \"absent\"\n");
    let claude = include_str!("../../src/agents/claude.toml");
    let agent = |id: &str, program: &str| {
        let text = claude.replace("id = \"claude\"", &format!("id = \"{id}\""));
        let text = text.replace("program = \"claude\"", &format!("program = \"{program}\""));
        std::fs::create_dir_all(scene.directory.path().join(".missiond/agents")).unwrap();
        std::fs::write(scene.directory.path().join(format!(".missiond/agents/{id}.toml")), text).unwrap();
    };
    agent("there", "/bin/sh");
    agent("absent", "no-program-has-this-name");
    agent("gone", "/no/such/place/program");
    let config = scene.project().mission_config().unwrap();
    let scripted = "scripted".parse().unwrap();
    let waiting = |agent: Option<&str>, driver: Option<DriverKind>| {
        let mut request = NewTask::new("x");
        request.agent = agent.map(|agent| agent.parse().unwrap());
        request.driver = driver;
        Task::queued(TaskId::generate(), request, jiff::Timestamp::now())
    };
    let ids = |waiting: &[Task]| -> Vec<String> {
        let slots = seats_for(&config, Some(&scripted), DriverKind::Headless, waiting).unwrap();
        slots.iter().map(|slot| slot.id.to_string()).collect()
    };
    assert_eq!(ids(&[]), ["scripted-1", "scripted-2"]);
    assert_eq!(ids(&[waiting(Some("scripted"), None)]), ["scripted-1", "scripted-2"]);
    // Without a slot for it, a task that somebody queued for another agent would stay where it is; so do those whose
    // agent nobody could start, be it named or the default one.
    let all = [
        waiting(Some("there"), None),
        waiting(Some("there"), Some(DriverKind::Pty)),
        waiting(Some("absent"), None),
        waiting(Some("gone"), None),
        waiting(Some("unheard-of"), None),
        waiting(None, None),
    ];
    let expected = ["scripted-1", "scripted-2", "there-1", "there-2", "there-pty-1", "there-pty-2"];
    assert_eq!(ids(&all), expected);
    // Asked for by name, it gets its slots, and the lack of its program is told before anything is begun.
    let mut absent = scene.project().mission_config().unwrap();
    absent.slots = seats_for(&config, None, DriverKind::Headless, &all).unwrap();
    let error = absent.check_programs().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    for part in ["slot absent-1", "`no-program-has-this-name` was not found", "npm install"] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    let unknown = "unheard-of".parse().unwrap();
    let error = seats_for(&config, Some(&unknown), DriverKind::Headless, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);

    let configured = Scene::new("[[slot]]\nid = \"one\"\nagent = \"scripted\"\n");
    let config = configured.project().mission_config().unwrap();
    let slots = seats_for(&config, Some(&scripted), DriverKind::Headless, &all).unwrap();
    assert_eq!(slots.len(), 1, "what is configured is what there is");
}

#[tokio::test]
async fn a_task_for_any_agent_is_for_the_one_that_was_meant_where_nobody_configured_slots() {
    let default = "[agent]\ndefault = \"scripted\"\n";
    for (config, expected) in
        [(default, Some("scripted")), ("[[slot]]\nid = \"one\"\nagent = \"scripted\"\n", None)]
    {
        let scene = Scene::new(config);
        let project = scene.project();
        let id = Access::open(&project).await.unwrap().submit(NewTask::new("x")).await.unwrap();
        let task = Access::open(&project).await.unwrap().task(id).await.unwrap();
        assert_eq!(task.request.agent.as_ref().map(|agent| agent.as_str()), expected, "{config}");
    }
}

#[test]
fn workspace_is_named_by_the_pattern() {
    let scene = Scene::new(
        "[worktree]\nbase_path = \"trees\"\nnaming_pattern = \"x-{issue_id}-{repo}\"\n[core]\ndefault_branch_prefix = \"fix\"\n",
    );
    let project = scene.project();
    let request = workspace_request(&project.settings, project.root(), "42").unwrap();
    // The scratch directory's name begins with a dot, which git does not take.
    let repository = project.root().file_name().unwrap().to_str().unwrap().trim_start_matches('.');
    assert_eq!(request.name, format!("x-42-{repository}"));
    assert_eq!(request.branch, "fix/42");
    assert_eq!(request.path, project.root().join("trees").join(&request.name));
    let named = |issue: &str| workspace_request(&project.settings, project.root(), issue);
    assert_eq!(named("4 2/../x").unwrap().branch, "fix/4-2-x");
    for nothing in ["", "..", "///"] {
        assert_eq!(named(nothing).unwrap_err().kind(), ErrorKind::Invalid, "{nothing:?}");
    }
}
