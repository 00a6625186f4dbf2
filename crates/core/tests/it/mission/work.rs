//! What becomes of an agent's work, whatever the agent does with git and its directory.

use missiond_core::ports::WorkspaceRequest;
use missiond_core::{EventBody, NewTask, Task, TaskStatus};

use super::support::{Stage, log, run, run_done, submit, wait};

fn branch(task: &Task) -> &str {
    &task.workspace.as_ref().unwrap().branch
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_committed_on_the_branch() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let before = stage.git(&["rev-parse", "HEAD"]);
    let task = run_done(&mission, "begin; mkdir d; echo x > d/new.txt; rm README.md; finish").await;
    let result = task.result.clone().unwrap();
    assert_eq!(result.changed_files, ["README.md", "d/new.txt"]);
    assert_eq!(stage.git(&["rev-parse", branch(&task)]), result.commit.unwrap());
    assert!(stage.git(&["log", "-1", "--format=%B", branch(&task)]).contains(&task.id.to_string()));
    assert_eq!(stage.git(&["rev-parse", "HEAD"]), before, "the person's checkout is left alone");
    assert_eq!(stage.git(&["status", "--porcelain", "--untracked-files=no"]), "");
    assert_eq!(stage.worktrees(), Vec::<String>::new());
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_commits_by_itself_is_not_committed_over() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let prompt = "begin; echo a > a.txt; git add a.txt; git commit -qm mine; finish";
    let task = run_done(&mission, prompt).await;
    let result = task.result.clone().unwrap();
    assert_eq!(result.changed_files, ["a.txt"]);
    assert_eq!(stage.git(&["log", "-1", "--format=%s", branch(&task)]), "mine");
    assert_eq!(stage.git(&["rev-parse", branch(&task)]), result.commit.unwrap());

    let prompt = "begin; echo a > a.txt; git add a.txt; git commit -qm mine; echo b > b.txt; finish";
    let task = run_done(&mission, prompt).await;
    assert_eq!(task.result.as_ref().unwrap().changed_files, ["a.txt", "b.txt"]);
    assert_eq!(stage.git(&["log", "-2", "--format=%s", branch(&task)]).lines().nth(1), Some("mine"));
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_a_failed_task_can_be_restored() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let prompt = "begin; echo kept > committed.txt; git add .; git commit -qm part; echo changed > README.md; \
         echo new > untracked.txt; result error_during_execution true broken";
    let task = run(&mission, prompt).await;
    assert_eq!(task.status, TaskStatus::Failed);
    let rescue = task.result.as_ref().unwrap().rescue.clone().expect("a rescue ref");
    assert!(rescue.starts_with("refs/missiond/rescue/"), "{rescue}");
    assert_eq!(stage.git(&["show", &format!("{rescue}:README.md")]), "changed");
    assert_eq!(stage.git(&["show", &format!("{rescue}:untracked.txt")]), "new");
    assert_eq!(stage.git(&["show", &format!("{}:committed.txt", branch(&task))]), "kept");
    assert_eq!(stage.worktrees(), Vec::<String>::new());

    // A turn that fails without having changed anything leaves nothing behind.
    let task = run(&mission, "begin; result error_during_execution true broken").await;
    assert_eq!(task.result.unwrap().rescue, None);
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_switches_branches_loses_nothing() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let prompt = "begin; git checkout -qb elsewhere; echo a > a.txt; git add .; git commit -qm there; \
         echo b > b.txt; finish";
    let task = run(&mission, prompt).await;
    assert_eq!(task.status, TaskStatus::Failed, "{task:?}");
    let reason = task.reason.clone().unwrap();
    assert!(reason.contains("elsewhere") && reason.contains(branch(&task)), "{reason}");
    assert_eq!(stage.git(&["show", "elsewhere:a.txt"]), "a");
    let rescue = task.result.unwrap().rescue.expect("a rescue ref");
    assert_eq!(stage.git(&["show", &format!("{rescue}:b.txt")]), "b");

    // A detached head with commits of its own.
    let prompt = "begin; git checkout -q --detach; echo c > c.txt; git add .; git commit -qm lost; finish";
    let task = run(&mission, prompt).await;
    assert_eq!(task.status, TaskStatus::Failed, "{task:?}");
    let rescue = task.result.unwrap().rescue.expect("a rescue ref for the commit that no branch has");
    assert_eq!(stage.git(&["show", &format!("{rescue}:c.txt")]), "c");
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_deletes_its_directory_harms_only_itself() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let prompt = "begin; echo a > a.txt; git add .; git commit -qm saved; rm -rf \"$PWD\"; finish";
    let task = run(&mission, prompt).await;
    // What it committed is on the branch whatever the task's end.
    assert_eq!(stage.git(&["show", &format!("{}:a.txt", branch(&task))]), "a");
    assert_eq!(task.status, TaskStatus::Failed, "{task:?}");
    let reason = task.reason.clone().unwrap();
    let path = task.workspace.as_ref().unwrap().path.clone();
    assert!(reason.contains(path.to_str().unwrap()), "{reason}");
    assert_eq!(stage.worktrees(), Vec::<String>::new(), "{reason}");
    assert!(!path.exists());

    let prompt = "begin; rm -rf .git; echo b > b.txt; finish";
    let task = run(&mission, prompt).await;
    assert_eq!(task.status, TaskStatus::Failed, "{task:?}");
    run_done(&mission, "begin; echo c > c.txt; finish").await;
    mission.shutdown("over").await.unwrap();
    stage.git(&["fsck", "--strict", "--no-dangling"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_p17_a_directory_named_like_a_command_runs_nothing() {
    for name in ["a\"; touch pwned; \"", "$(touch pwned)", "with space", "ünï 🦀", "-rf", "'; touch pwned; '"]
    {
        let stage = Stage::named(name);
        let mut mission = stage.player(1).await;
        for agent in ["player", "shell"] {
            let prompt = match agent {
                "player" => r#"script:[{"write":{"path":"a.txt","content":"x"}},{"say":"ok"}]"#,
                _ => "begin; echo x > a.txt; finish ok",
            };
            let task = run_done(&mission, prompt).await;
            let result = task.result.unwrap();
            assert_eq!((result.answer.as_str(), &*result.changed_files), ("ok", &["a.txt".to_owned()][..]));
            assert_eq!(result.denied_calls, 0, "{name}");
            mission.shutdown("over").await.unwrap();
            drop(mission);
            mission = stage.shell(1).await;
        }
        mission.shutdown("over").await.unwrap();
        for place in [stage.root(), stage.root().parent().unwrap(), std::path::Path::new(".")] {
            assert!(!place.join("pwned").exists(), "{name} was executed");
        }
    }
}

/// What a person made under the name of an old task's workspace is not the task's.
#[tokio::test(flavor = "multi_thread")]
async fn a_persons_worktree_is_not_taken_for_an_old_tasks() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let mut request = NewTask::new("begin; echo a > a.txt; finish");
    request.issue = Some("42".to_owned());
    let id = mission.submit(request).await.unwrap();
    let old = wait(&mission, id).await.workspace.unwrap();
    stage.git(&["branch", "-D", &old.branch]);
    let workspaces = mission.config().ports.workspaces.clone();
    let made = workspaces.create(WorkspaceRequest::new(&old.name, &old.path, &old.branch)).await.unwrap();
    std::fs::write(made.path.join("mine.txt"), "mine").unwrap();
    mission.shutdown("over").await.unwrap();

    // Neither the next owner nor a look for what is left over takes it away.
    let mission = stage.shell(1).await;
    run_done(&mission, "begin; finish").await;
    mission.shutdown("over").await.unwrap();
    assert_eq!(std::fs::read_to_string(made.path.join("mine.txt")).unwrap(), "mine");
}

/// Somebody looks around in the worktree: the work is on its branch all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_stands_in_a_workspace_fails_no_task() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let prompt =
        format!("begin; echo a > a.txt; : > {}; await {}; finish", stage.quoted("there"), stage.quoted("go"));
    let id = submit(&mission, prompt).await;
    stage.signed("there").await;
    let path = mission.task(id).await.unwrap().workspace.unwrap().path;
    let mut person = std::process::Command::new("sleep").arg("600").current_dir(&path).spawn().unwrap();
    stage.make_sign("go");
    let task = wait(&mission, id).await;
    assert_eq!(task.status, TaskStatus::Done, "{task:?}");
    assert_eq!(stage.git(&["show", &format!("{}:a.txt", branch(&task))]), "a");
    let told = log(&mission).await.into_iter().any(
        |event| matches!(&event.body, EventBody::Warning { text } if text.contains(path.to_str().unwrap())),
    );
    assert!(told, "that the directory stays must be said");
    person.kill().unwrap();
    person.wait().unwrap();

    // Who goes on with it gets the directory when it is free.
    let mut request = NewTask::new("begin; cat a.txt > b.txt; finish");
    request.follow_up = Some(id);
    let next = mission.submit(request).await.unwrap();
    let next = wait(&mission, next).await;
    assert_eq!((next.status, branch(&next)), (TaskStatus::Done, branch(&task)), "{next:?}");
    assert_eq!(stage.worktrees(), Vec::<String>::new());
    mission.shutdown("over").await.unwrap();
}

/// The owner dies while an agent has its workspace in pieces.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_workspace_does_not_lock_the_project() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let prompt = format!(
        "begin; echo precious > precious.txt; [ -e {there} ] || {{ rm .git; echo nonsense > .git; }}; \
         : > {there}; await {go}; finish",
        there = stage.quoted("there"),
        go = stage.quoted("go")
    );
    let id = submit(&mission, prompt).await;
    stage.signed("there").await;
    let path = mission.task(id).await.unwrap().workspace.unwrap().path;
    drop(mission);
    stage.no_process_is_left().await;
    stage.make_sign("go");

    let mission = stage.shell(1).await;
    let task = wait(&mission, id).await;
    // Either the work could be kept all the same, or it lies where it was.
    let events = log(&mission).await;
    let rescue = events.iter().find_map(|event| match &event.body {
        EventBody::WorkspaceRetired { rescue: Some(rescue), .. } => Some(rescue.clone()),
        _ => None,
    });
    match rescue {
        Some(rescue) => assert_eq!(stage.git(&["show", &format!("{rescue}:precious.txt")]), "precious"),
        None => {
            assert_eq!(task.status, TaskStatus::Failed, "{task:?}");
            assert_eq!(std::fs::read_to_string(path.join("precious.txt")).unwrap(), "precious\n");
        }
    }
    run_done(&mission, "begin; echo c > c.txt; finish").await;
    mission.shutdown("over").await.unwrap();
}
