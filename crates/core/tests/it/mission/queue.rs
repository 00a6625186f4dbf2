//! Which task runs when, and where.

use missiond_core::{Error, EventBody, Mission, NewTask, SlotConfig, TaskStatus};

use super::support::{PATIENCE, Stage, leased, log, run_done, statuses, submit, wait};

#[tokio::test(flavor = "multi_thread")]
async fn c3_queued_tasks_are_dispatched_and_a_dead_owners_are_requeued_once() {
    let stage = Stage::new();
    let mission = stage.shell(2).await;
    let running = [
        submit(&mission, format!("begin; await {}; finish", stage.quoted("go"))).await,
        submit(&mission, format!("begin; await {}; finish", stage.quoted("go"))).await,
    ];
    let queued = submit(&mission, "begin; finish").await;
    for id in running {
        leased(&mission, id).await;
    }
    assert_eq!(statuses(&mission).await, [TaskStatus::Running, TaskStatus::Running, TaskStatus::Queued]);
    // As a killed process does: nothing is written any more.
    drop(mission);
    stage.no_process_is_left().await;
    stage.make_sign("go");

    let mission = stage.shell(2).await;
    for id in running.into_iter().chain([queued]) {
        assert_eq!(wait(&mission, id).await.status, TaskStatus::Done);
    }
    let events = log(&mission).await;
    for id in running {
        let times = |fits: fn(&EventBody) -> bool| {
            events.iter().filter(|event| event.task == Some(id) && fits(&event.body)).count()
        };
        assert_eq!(times(|body| matches!(body, EventBody::TaskRequeued { .. })), 1);
        assert_eq!(times(|body| matches!(body, EventBody::TaskFinished { .. })), 1);
        assert_eq!(times(|body| matches!(body, EventBody::TaskLeased { .. })), 2);
    }
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_one_owner_and_one_attempt_a_slot() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let error = Mission::open(stage.config("shell", 1)).await.unwrap_err();
    assert!(matches!(error, Error::Lock(_)), "{error:?}");
    assert!(missiond_core::chain(&error).contains(&std::process::id().to_string()), "{error}");

    for _ in 0..6 {
        submit(&mission, "begin; sleep 0.05; finish").await;
    }
    let last = submit(&mission, "begin; finish").await;
    assert_eq!(wait(&mission, last).await.status, TaskStatus::Done);
    let mut occupant = None;
    for event in log(&mission).await {
        match event.body {
            EventBody::TaskLeased { .. } => {
                assert_eq!(occupant, None, "the slot was given away twice");
                occupant = event.task;
            }
            EventBody::TaskFinished { .. } => {
                assert_eq!(occupant.take(), event.task);
            }
            _ => {}
        }
    }
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_agents_than_allowed_run_at_once() {
    let stage = Stage::new();
    let config = stage.config_with("shell", 4, &[("core.max_concurrent_agents", "2")]);
    let mission = Mission::open(config).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(submit(&mission, "begin; sleep 0.1; finish").await);
    }
    for id in ids {
        assert_eq!(wait(&mission, id).await.status, TaskStatus::Done);
    }
    let (mut running, mut most) = (0_i32, 0);
    for event in log(&mission).await {
        running += match event.body {
            EventBody::TaskLeased { .. } => 1,
            EventBody::TaskFinished { .. } => -1,
            _ => 0,
        };
        most = most.max(running);
    }
    assert_eq!((running, most), (0, 2));
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn dependencies_come_first_and_their_failure_is_passed_on() {
    let stage = Stage::new();
    let mission = stage.shell(3).await;
    let first = submit(&mission, format!("begin; await {}; finish", stage.quoted("go"))).await;
    let after = |id| {
        let mut request = NewTask::new("begin; finish");
        request.depends_on = vec![id];
        request
    };
    let second = mission.submit(after(first)).await.unwrap();
    let third = mission.submit(after(second)).await.unwrap();
    leased(&mission, first).await;
    assert_eq!(mission.task(second).await.unwrap().status, TaskStatus::Queued);
    stage.make_sign("go");
    let third = wait(&mission, third).await;
    assert_eq!(third.status, TaskStatus::Done);
    let (first, second) = (wait(&mission, first).await, wait(&mission, second).await);
    assert!(first.finished_at <= second.started_at && second.finished_at <= third.started_at);

    let failing = submit(&mission, "begin; result error_during_execution true broken").await;
    let one = mission.submit(after(failing)).await.unwrap();
    let two = mission.submit(after(one)).await.unwrap();
    for (id, cause) in [(one, failing), (two, one)] {
        let task = wait(&mission, id).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Failed, 0));
        assert!(task.reason.unwrap().contains(&cause.to_string()));
    }
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_higher_priority_goes_first() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let first = submit(&mission, format!("begin; await {}; finish", stage.quoted("go"))).await;
    leased(&mission, first).await;
    let mut ids = Vec::new();
    for priority in [0, 5, 5, 9, -1] {
        let mut request = NewTask::new("begin; finish");
        request.priority = priority;
        ids.push(mission.submit(request).await.unwrap());
    }
    stage.make_sign("go");
    for id in &ids {
        wait(&mission, *id).await;
    }
    let order: Vec<_> = log(&mission)
        .await
        .into_iter()
        .filter(|event| matches!(event.body, EventBody::TaskLeased { .. }))
        .filter_map(|event| event.task)
        .collect();
    assert_eq!(order, [first, ids[3], ids[1], ids[2], ids[0], ids[4]]);
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_slot_can_do_is_told_at_once() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let mut request = NewTask::new("x");
    request.role = "reviewer".parse().unwrap();
    let error = mission.submit(request).await.unwrap_err();
    assert!(error.to_string().contains("reviewer") && error.to_string().contains("[[slot]]"), "{error}");
    let mut request = NewTask::new("x");
    request.agent = Some("nobody".parse().unwrap());
    let error = mission.submit(request).await.unwrap_err();
    assert!(matches!(error, Error::UnknownAgent { .. }), "{error:?}");
    assert!(mission.submit(NewTask::new("  \n")).await.unwrap_err().to_string().contains("empty"));
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_slot_is_gone_stays_in_the_queue_until_there_is_one_again() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let id = submit(&mission, format!("begin; await {}; finish", stage.quoted("go"))).await;
    leased(&mission, id).await;
    let mut waiting = NewTask::new("begin; finish");
    waiting.depends_on = vec![id];
    let waiting = mission.submit(waiting).await.unwrap();
    drop(mission);
    stage.no_process_is_left().await;

    let mut config = stage.config("shell", 1);
    config.slots[0] = SlotConfig::new("s2".parse().unwrap(), "shell".parse().unwrap());
    config.slots[0].role = "reviewer".parse().unwrap();
    let mission = Mission::open(config.clone()).await.unwrap();
    for task in [id, waiting] {
        let waited = tokio::time::timeout(PATIENCE, mission.wait(task)).await.expect("nobody waits for ever");
        assert!(
            matches!(&waited, Err(Error::Unservable(reason)) if reason.contains("[[slot]]")),
            "{waited:?}"
        );
    }
    mission.drain();
    tokio::time::timeout(PATIENCE, mission.closed()).await.expect("nothing that can be done is left");
    let log = log(&mission).await;
    let error = mission.wait(id).await.unwrap_err();
    assert!(matches!(&error, Error::Closed), "{error:?}");
    for task in [id, waiting] {
        assert_eq!(mission.task(task).await.unwrap().status, TaskStatus::Queued);
        let warnings: Vec<&String> = log
            .iter()
            .filter(|event| event.task == Some(task))
            .filter_map(|event| match &event.body {
                EventBody::Warning { text } => Some(text),
                _ => None,
            })
            .collect();
        assert_eq!(warnings.len(), 1, "it is said once: {warnings:?}");
        assert!(
            warnings[0].contains("stays in the queue") && warnings[0].contains("[[slot]]"),
            "{warnings:?}"
        );
    }
    mission.shutdown("over").await.unwrap();

    stage.make_sign("go");
    let mission = stage.shell(1).await;
    for task in [id, waiting] {
        assert_eq!(wait(&mission, task).await.status, TaskStatus::Done);
    }
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_a_new_task_with_work_of_its_own() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let mut request = NewTask::new(format!(
        "begin; echo x > x.txt; [ -e {sign} ] || {{ : > {sign}; exit 7; }}; finish",
        sign = stage.quoted("second")
    ));
    request.issue = Some("41".to_owned());
    let first = mission.submit(request).await.unwrap();
    let early = mission.retry(first).await;
    assert!(early.is_err() || wait(&mission, first).await.status.is_final(), "{early:?}");
    let first = wait(&mission, first).await;
    assert_eq!(first.status, TaskStatus::Failed, "{first:?}");
    assert!(first.reason.as_deref().unwrap().contains("7"), "{first:?}");
    let second = mission.retry(first.id).await.unwrap();
    let second = wait(&mission, second).await;
    assert_eq!(second.status, TaskStatus::Done, "{second:?}");
    assert_ne!(second.id, first.id);
    let (first, second) = (first.workspace.unwrap().branch, second.workspace.unwrap().branch);
    assert_ne!(first, second);
    assert!(second.contains("41"), "{second}");
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follow_up_goes_on_with_conversation_and_branch() {
    let stage = Stage::new();
    let mission = stage.shell(2).await;
    let first = run_done(&mission, "begin; echo one > one.txt; finish").await;
    let follow = |prompt: &str| {
        let mut request = NewTask::new(prompt);
        request.follow_up = Some(first.id);
        request
    };
    let prompt = "begin; [ -e one.txt ] || exit 8; echo two > two.txt; finish \"$conversation\"";
    let second = mission.submit(follow(prompt)).await.unwrap();
    let second = wait(&mission, second).await;
    assert_eq!(second.status, TaskStatus::Done, "{second:?}");
    let (before, after) = (first.workspace.clone().unwrap(), second.workspace.clone().unwrap());
    assert_eq!((&after.branch, &after.base), (&before.branch, &before.base));
    assert_eq!(second.conversation, first.conversation);
    assert_eq!(second.result.unwrap().answer, first.conversation.as_ref().unwrap().as_str());
    assert_eq!(stage.git(&["show", &format!("{}:two.txt", after.branch)]), "two");

    // Two at once take turns: they share a branch.
    let mut ids = Vec::new();
    for number in 3..6 {
        ids.push(mission.submit(follow(&format!("begin; echo x > {number}.txt; finish"))).await.unwrap());
    }
    for id in ids {
        let task = wait(&mission, id).await;
        assert_eq!(task.status, TaskStatus::Done, "{task:?}");
    }
    let files = stage.git(&["ls-tree", "--name-only", &before.branch]);
    assert_eq!(files, "3.txt\n4.txt\n5.txt\nREADME.md\none.txt\ntwo.txt");

    let open = submit(&mission, format!("begin; await {}; finish", stage.quoted("go"))).await;
    let mut request = NewTask::new("x");
    request.follow_up = Some(open);
    let error = mission.submit(request).await.unwrap_err();
    assert!(error.to_string().contains("wait for its end"), "{error}");
    stage.make_sign("go");
    wait(&mission, open).await;
    mission.shutdown("over").await.unwrap();
}

/// Text that a person gives for an issue becomes a name that git takes.
#[tokio::test(flavor = "multi_thread")]
async fn an_issue_of_any_text_names_the_branch() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    for issue in ["fix: that thing", "../../escape", "ü 🦀", "-", "a.lock", "x..y", &"long".repeat(60)] {
        let mut request = NewTask::new("begin; echo x > x.txt; finish");
        request.issue = Some(issue.to_owned());
        let id = mission.submit(request).await.unwrap();
        let task = wait(&mission, id).await;
        assert_eq!(task.status, TaskStatus::Done, "{issue}: {task:?}");
        let workspace = task.workspace.unwrap();
        assert!(!workspace.path.exists());
        assert_eq!(workspace.path.parent(), stage.root().parent(), "{}", workspace.path.display());
    }
    mission.shutdown("over").await.unwrap();
}
