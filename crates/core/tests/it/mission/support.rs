//! A mission on a scratch repository, with agents that are real processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use missiond_core::control::ProjectPaths;
use missiond_core::ports::TaskFilter;
use missiond_core::project::{Project, ProjectOptions};
use missiond_core::{
    AgentStatus, Approval, Event, EventBody, Mission, MissionConfig, NewTask, Seq, Slot, SlotConfig, Task,
    TaskId, TaskStatus,
};
use missiond_testkit::processes::wait_until_async;
use missiond_testkit::repo::{Repo, git_in};

use super::program;

/// How long a test waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A repository, and what agents need to run there.
pub(super) struct Stage {
    root: PathBuf,
    /// Programs and files of the agents, outside the repository.
    programs: tempfile::TempDir,
    _repo: Repo,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::named("project")
    }

    /// In a directory of this name.
    pub(super) fn named(name: &str) -> Self {
        let repo = Repo::with_commit().unwrap();
        let root = repo.beside(name);
        std::fs::rename(repo.path(), &root).unwrap();
        Self::at(root, repo)
    }

    /// At a place of its own, to which the repository is cloned.
    pub(super) fn cloned_to(root: PathBuf) -> Self {
        let repo = Repo::with_commit().unwrap();
        git_in(repo.path(), &["clone", "--quiet", ".", root.to_str().unwrap()]).unwrap();
        Self::at(root, repo)
    }

    fn at(root: PathBuf, repo: Repo) -> Self {
        let stage = Self { root, programs: tempfile::tempdir().unwrap(), _repo: repo };
        stage.write_agents();
        stage
    }

    fn write_agents(&self) {
        let programs = self.programs.path();
        program::write(programs, "hook");
        self.write_agent("shell", &shell_agent(programs));
        self.write_agent("player", &scripted_agent(programs));
    }

    pub(super) fn write_agent(&self, id: &str, text: &str) {
        let directory = self.root.join(".missiond/agents");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("{id}.toml")), text).unwrap();
    }

    /// The text of an agent's data file.
    pub(super) fn agent_text(&self, id: &str) -> String {
        std::fs::read_to_string(self.root.join(format!(".missiond/agents/{id}.toml"))).unwrap()
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A path that neither the repository nor a workspace holds, for signs between a test and its agent.
    pub(super) fn sign(&self, name: &str) -> PathBuf {
        self.programs.path().join(name)
    }

    /// The same in a shell script.
    pub(super) fn quoted(&self, name: &str) -> String {
        format!("'{}'", self.sign(name).to_str().unwrap())
    }

    pub(super) fn policy(&self, text: &str) {
        std::fs::write(self.root.join(".missiond/policy.toml"), format!("version = 1\n{text}")).unwrap();
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        git_in(&self.root, args).unwrap()
    }

    pub(super) fn config(&self, agent: &str, slots: usize) -> MissionConfig {
        self.config_with(agent, slots, &[])
    }

    pub(super) fn config_with(&self, agent: &str, slots: usize, keys: &[(&str, &str)]) -> MissionConfig {
        let overrides = keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let options = ProjectOptions { overrides, ..ProjectOptions::default() };
        let mut config = Project::discover(&self.root, &options).unwrap().mission_config().unwrap();
        config.slots = (1..=slots)
            .map(|number| SlotConfig::new(format!("s{number}").parse().unwrap(), agent.parse().unwrap()))
            .collect();
        config.hook_command = vec!["/bin/sh".into(), self.sign("hook").into()];
        config
    }

    /// A mission of agents whose prompts are shell scripts.
    pub(super) async fn shell(&self, slots: usize) -> Mission {
        Mission::open(self.config("shell", slots)).await.unwrap()
    }

    /// A mission of scripted agents.
    pub(super) async fn player(&self, slots: usize) -> Mission {
        Mission::open(self.config("player", slots)).await.unwrap()
    }

    /// The processes that carry the project's mark.
    pub(super) fn processes(&self) -> Vec<u32> {
        let scope = ProjectPaths::new(&self.root).unwrap().session_scope();
        missiond_process::tree::tagged(&scope).unwrap().into_iter().map(|tagged| tagged.pid).collect()
    }

    pub(super) async fn no_process_is_left(&self) {
        let gone = || self.processes().is_empty().then_some(());
        wait_until_async(PATIENCE, "no process of an agent is left", gone).await.unwrap();
    }

    /// Waits until an agent has made a sign.
    pub(super) async fn signed(&self, name: &str) {
        let path = self.sign(name);
        wait_until_async(PATIENCE, name, || path.exists().then_some(())).await.unwrap();
    }

    /// Lets agents that wait for a sign go on.
    pub(super) fn make_sign(&self, name: &str) {
        std::fs::write(self.sign(name), "").unwrap();
    }

    /// The directories of workspaces that are there.
    pub(super) fn worktrees(&self) -> Vec<String> {
        let listed = self.git(&["worktree", "list", "--porcelain"]);
        let paths = listed.lines().filter_map(|line| line.strip_prefix("worktree "));
        paths.filter(|path| Path::new(path) != self.root).map(str::to_owned).collect()
    }
}

/// Writes the agent whose prompts are shell scripts, and gives its data file.
pub(crate) fn shell_agent(directory: &Path) -> String {
    let script = directory.join("agent.sh");
    std::fs::write(&script, include_str!("agent.sh")).unwrap();
    agent_text("shell", &script)
}

/// Writes the scripted agent's program, and gives its data file.
pub(crate) fn scripted_agent(directory: &Path) -> String {
    program::write(directory, "scripted");
    agent_text("player", &directory.join("scripted"))
}

/// The scripted agent's own data file, except for what is started.
fn agent_text(id: &str, script: &Path) -> String {
    let text = include_str!("../../../src/agents/scripted.toml")
        .replace("id = \"scripted\"", &format!("id = \"{id}\""))
        .replace("\"{self}\"", "\"/bin/sh\"")
        .replace("\"__missiond\", \"scripted\"", &format!("{:?}", script.to_str().unwrap()));
    assert!(
        !text.contains("__missiond") && text.contains("/bin/sh"),
        "the scripted agent's data file has changed"
    );
    text
}

pub(super) async fn submit(mission: &Mission, prompt: impl Into<String>) -> TaskId {
    mission.submit(NewTask::new(prompt)).await.unwrap()
}

/// Waits for a task to be final, for as long as a test waits.
pub(super) async fn wait(mission: &Mission, id: TaskId) -> Task {
    tokio::time::timeout(PATIENCE, mission.wait(id)).await.expect("the task comes to its end").unwrap()
}

pub(super) async fn run(mission: &Mission, prompt: impl Into<String>) -> Task {
    let id = submit(mission, prompt).await;
    wait(mission, id).await
}

/// Runs a task that must be done.
pub(super) async fn run_done(mission: &Mission, prompt: impl Into<String>) -> Task {
    let task = run(mission, prompt).await;
    assert_eq!((task.status, &task.reason), (TaskStatus::Done, &None), "{task:?}");
    task
}

/// Runs a task that must fail, and gives its reason.
pub(super) async fn run_failed(mission: &Mission, prompt: impl Into<String>) -> String {
    let task = run(mission, prompt).await;
    assert_eq!(task.status, TaskStatus::Failed, "{task:?}");
    task.reason.unwrap()
}

/// The whole log as it stands.
pub(super) async fn log(mission: &Mission) -> Vec<Event> {
    let mut stream = mission.events(Seq(0));
    let mut events: Vec<Event> = Vec::new();
    // What is there comes without waiting; a moment without an event means that the end was reached.
    while let Ok(event) = tokio::time::timeout(Duration::from_millis(200), stream.next()).await {
        let Some(event) = event.unwrap() else { break };
        assert_eq!(event.seq, Seq(events.len() as u64 + 1), "the log has a gap");
        events.push(event);
    }
    events
}

/// Waits for an event that fits.
pub(super) async fn event(mission: &Mission, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
    let mut stream = mission.events(Seq(0));
    let found = async {
        loop {
            let event = stream.next().await.unwrap().expect("the mission is open");
            if fits(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// Waits until a task is running.
pub(super) async fn leased(mission: &Mission, id: TaskId) {
    event(mission, "the lease", |event| {
        event.task == Some(id) && matches!(event.body, EventBody::TaskLeased { .. })
    })
    .await;
}

/// Waits for the next question.
pub(super) async fn asked(mission: &Mission) -> Approval {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let pending = mission.approvals(missiond_core::ports::ApprovalFilter::Pending).await.unwrap();
        if let Some(approval) = pending.into_iter().next() {
            return approval;
        }
        assert!(tokio::time::Instant::now() < end, "nobody was asked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) async fn slot(mission: &Mission, id: &str) -> Slot {
    mission.slots().await.unwrap().into_iter().find(|slot| slot.config.id.as_str() == id).unwrap()
}

/// Every slot is vacant, and says why its last occupant went.
pub(super) async fn all_vacant(mission: &Mission) {
    for slot in mission.slots().await.unwrap() {
        assert_eq!((slot.status, slot.task, slot.pid), (AgentStatus::Stopped, None, None), "{slot:?}");
    }
}

pub(super) async fn statuses(mission: &Mission) -> Vec<TaskStatus> {
    mission.tasks(TaskFilter::default()).await.unwrap().into_iter().map(|task| task.status).collect()
}
