//! The gate judged by missiond-policy.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use missiond_policy::audit::AuditPaths;
use missiond_policy::hook::{EventName, claude_settings};
use missiond_policy::{CallRates, Disk, Layer, LocalTime, Policies, Policy, Preset, Surroundings};

use crate::agents::HookProtocol;
use crate::config::{Config, Origin, Settings};
use crate::control::ProjectPaths;
use crate::error::{Error, chain};
use crate::ids::SlotId;
use crate::model::{Decision, Risk, ToolCall, Verdict};
use crate::ports::{BoxFuture, Clock, Gate, GateError, Seat, SystemClock};

/// The events that our hooks hear: the one that asks, and those that tell how a turn goes.
const EVENTS: [EventName; 5] = [
    EventName::PreToolUse,
    EventName::PostToolUse,
    EventName::Notification,
    EventName::Stop,
    EventName::StopFailure,
];

/// Judges by the policy files of a project.
#[derive(Clone, Debug)]
pub struct PolicyGate {
    policies: Arc<Policies>,
    /// Those of slots that have rules of their own, with all others in them.
    slots: HashMap<SlotId, Arc<Policies>>,
    home: Option<PathBuf>,
    /// Directories besides the workspace that an agent may use like it.
    open: Vec<PathBuf>,
    protected: Vec<PathBuf>,
    clock: Arc<dyn Clock>,
    /// How often rules with a limit were matched, by all agents together, counted from `begun`.
    rates: Arc<CallRates>,
    begun: Instant,
}

impl PolicyGate {
    /// Reads the policy in force: the configured preset, the person's `policy.toml` and `[policy]` table, the project's, that
    /// of the run, and those of single slots.
    ///
    /// # Errors
    ///
    /// When any of them cannot be used: a policy of which a part is left out is never in force.
    pub fn load(paths: &ProjectPaths, settings: &Settings, config: &Config) -> Result<Self, Error> {
        let unusable = |error: missiond_policy::Error| Error::Policy(chain(&error));
        let preset = Preset::named(&settings.default_policy)
            .ok_or_else(|| Error::Policy(format!("there is no preset `{}`", settings.default_policy)))?;
        let mut layers = vec![Policy::preset(preset)];
        layers.extend(config.preset_beneath().and_then(Preset::named).map(Policy::preset));
        let of_project = paths.state_dir().join("policy.toml");
        let files = config.policy_of_person().map(|file| (file, Layer::User)).into_iter();
        for (file, layer) in files.chain([(of_project.as_path(), Layer::Project)]) {
            match Policy::read(file, layer) {
                Ok(policy) => layers.push(policy),
                Err(missiond_policy::Error::Read { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(unusable(error)),
            }
        }
        for (table, origin) in config.policies() {
            let text = toml::to_string(table).map_err(|error| Error::Policy(format!("{origin}: {error}")))?;
            let layer = if matches!(origin, Origin::User(_)) { Layer::User } else { Layer::Project };
            layers.push(Policy::parse(&text, &format!("[policy] of {origin}"), layer).map_err(unusable)?);
        }
        if let Some(file) = config.policy_of_run() {
            layers.push(Policy::read(file, Layer::Run).map_err(unusable)?);
        }
        let mut slots = HashMap::new();
        for (slot, table, origin) in config.policies_of_slots() {
            let origin = format!("the policy of slot `{slot}` in {origin}");
            let text = toml::to_string(table).map_err(|error| Error::Policy(format!("{origin}: {error}")))?;
            let own = Policy::parse(&text, &origin, Layer::Slot).map_err(unusable)?;
            let policies = Policies::new(layers.iter().cloned().chain([own])).map_err(unusable)?;
            slots.insert(slot.clone(), Arc::new(policies));
        }
        // Wherever the audit log was put, agents have no business with it. In the state directory it is out of their reach
        // already, and each path costs a hook some looks at the disk.
        let log = &settings.audit_log_path;
        let is_state = log.starts_with(paths.state_dir()) && !log.starts_with(&settings.shared_directory);
        let audit = (!is_state).then(|| AuditPaths::new(log));
        let of_person = config.policy_of_person().and_then(Path::parent).map(Path::to_owned);
        let mut gate = Self::new(
            Policies::new(layers).map_err(unusable)?,
            // The directory above holds the sockets of other projects of the same person.
            [Some(paths.state_dir()), paths.runtime_dir().parent().map(ToOwned::to_owned), of_person]
                .into_iter()
                .flatten()
                .chain(
                    audit
                        .into_iter()
                        .flat_map(|audit| [audit.current().to_owned(), audit.directory().to_owned()]),
                )
                .collect(),
        );
        gate.open.push(settings.shared_directory.clone());
        gate.slots = slots;
        Ok(gate)
    }

    /// A gate over policies that are at hand; `protected` are directories that no agent may touch.
    /// So is what the person configured in the usual place.
    pub fn new(policies: Policies, mut protected: Vec<PathBuf>) -> Self {
        // An empty or relative HOME names no directory that `~` could stand for.
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let open = vec![std::env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
        let of_person = home.as_ref().map(|home| home.join(".config/missiond"));
        protected.extend(of_person.filter(|directory| !protected.contains(directory)));
        Self {
            policies: Arc::new(policies),
            slots: HashMap::new(),
            home,
            open,
            protected,
            clock: Arc::new(SystemClock),
            rates: Arc::new(CallRates::new()),
            begun: Instant::now(),
        }
    }

    /// The gate with another clock, for rules that name a time of day.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The policies in force, but for those of single slots.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The policies in force for the agent of a slot.
    pub fn policies_of(&self, slot: &SlotId) -> &Policies {
        self.slots.get(slot).unwrap_or(&self.policies)
    }

    /// What is known of this machine and project, for an agent that works there.
    pub fn surroundings(&self, workspace: &Path, project: &Path) -> Surroundings {
        let mut surroundings = Surroundings::new(workspace, project);
        surroundings.home.clone_from(&self.home);
        surroundings.temp_dirs.clone_from(&self.open);
        surroundings.protected.clone_from(&self.protected);
        surroundings.own_pids = vec![std::process::id()];
        // Looking the time zone up costs more than all the rest.
        if self.policies.depend_on_time() || self.slots.values().any(|slot| slot.depend_on_time()) {
            surroundings.now = self.local_time();
        }
        surroundings
    }

    /// Judges without a runtime. Blocks while it looks at the file system.
    pub fn judge_blocking(&self, call: &ToolCall, seat: &Seat) -> Verdict {
        let mut surroundings = self.surroundings(&seat.workspace, &seat.project);
        surroundings.own_pids.extend(own_processes(call));
        surroundings.can_ask = seat.can_ask;
        surroundings.role = Some(seat.role.to_string());
        surroundings.slot = Some(seat.slot.to_string());
        surroundings.agent = Some(seat.agent.to_string());
        let call = judged(call);
        let policies = self.policies_of(&seat.slot);
        convert(&policies.judge_counted(&call, &surroundings, &Disk, &self.rates, self.begun.elapsed()))
    }

    /// Judges a call that is made in no mission, by an agent of this kind: its role and slot aren't known, nobody counts
    /// its calls, and the agent itself can ask. Blocks while it looks at the file system.
    pub fn judge_alone(&self, call: &ToolCall, agent: &str, workspace: &Path, project: &Path) -> Verdict {
        let mut surroundings = self.surroundings(workspace, project);
        surroundings.own_pids.extend(own_processes(call));
        surroundings.can_ask = true;
        surroundings.agent = Some(agent.to_owned());
        convert(&self.policies.judge(&judged(call), &surroundings))
    }

    fn local_time(&self) -> Option<LocalTime> {
        let now = self.clock.now().to_zoned(TimeZone::system());
        let day = u8::try_from(now.weekday().to_monday_zero_offset()).ok()?;
        LocalTime::new(day, u8::try_from(now.hour()).ok()?, u8::try_from(now.minute()).ok()?)
    }
}

fn judged(call: &ToolCall) -> missiond_policy::ToolCall {
    let mut judged = missiond_policy::ToolCall::new(call.tool.clone(), call.input.clone(), call.cwd.clone());
    judged.id = Some(call.id.clone());
    judged
}

/// The processes of missiond on this machine: those that run our program. Looked up only for a call that may signal one, since
/// that takes a look at every process.
fn own_processes(call: &ToolCall) -> Vec<u32> {
    fn says_kill(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::String(text) => text.contains("kill"),
            serde_json::Value::Array(values) => values.iter().any(says_kill),
            serde_json::Value::Object(fields) => fields.values().any(says_kill),
            _ => false,
        }
    }
    if !says_kill(&call.input) {
        return Vec::new();
    }
    let Ok(program) = std::env::current_exe() else { return Vec::new() };
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let link = std::fs::read_link(entry.path().join("exe")).ok()?;
            // One that was replaced since is still ours.
            let replaced = link.to_str().and_then(|link| link.strip_suffix(" (deleted)"));
            let runs = link == program || replaced.is_some_and(|link| Path::new(link) == program);
            runs.then_some(pid)
        })
        .collect()
}

impl Gate for PolicyGate {
    fn judge<'a>(&'a self, call: &'a ToolCall, seat: &'a Seat) -> BoxFuture<'a, Result<Verdict, GateError>> {
        let (gate, call, seat) = (self.clone(), call.clone(), seat.clone());
        Box::pin(async move {
            tokio::task::spawn_blocking(move || gate.judge_blocking(&call, &seat))
                .await
                .map_err(|error| GateError(error.to_string()))
        })
    }
}

fn convert(verdict: &missiond_policy::Verdict) -> Verdict {
    let decision = match verdict.decision {
        missiond_policy::Decision::Allow => Decision::Allow,
        missiond_policy::Decision::Ask => Decision::Ask,
        missiond_policy::Decision::Deny => Decision::Deny,
    };
    let reason = match &verdict.part {
        Some(part) => format!("{} (in `{}`)", verdict.reason, crate::text::escape_line(part)),
        None => verdict.reason.clone(),
    };
    let mut converted = Verdict::new(decision, verdict.rule.as_ref().map(ToString::to_string), reason);
    converted.risk = match verdict.risk {
        missiond_policy::Risk::Low => Risk::Low,
        missiond_policy::Risk::Medium => Risk::Medium,
        missiond_policy::Risk::High => Risk::High,
        missiond_policy::Risk::Critical => Risk::Critical,
    };
    converted
}

/// The other way round, for the hook program's answer.
pub(crate) fn to_policy(verdict: &Verdict) -> missiond_policy::Verdict {
    let decision = match verdict.decision {
        Decision::Allow => missiond_policy::Decision::Allow,
        Decision::Ask => missiond_policy::Decision::Ask,
        Decision::Deny => missiond_policy::Decision::Deny,
    };
    let risk = match verdict.risk {
        Risk::Low => missiond_policy::Risk::Low,
        Risk::Medium => missiond_policy::Risk::Medium,
        Risk::High => missiond_policy::Risk::High,
        Risk::Critical => missiond_policy::Risk::Critical,
    };
    missiond_policy::Verdict::new(decision, risk, verdict.reason.clone())
}

/// The text of the file that installs our hooks.
pub(super) fn hook_settings(
    protocol: HookProtocol,
    command: &[OsString],
    patience: Duration,
) -> Result<String, String> {
    let HookProtocol::Claude = protocol;
    let seconds = u32::try_from(patience.min(super::LONGEST_HOOK).as_secs()).unwrap_or(u32::MAX);
    let settings = claude_settings(command, seconds, &EVENTS).map_err(|error| chain(&error))?;
    Ok(format!("{settings:#}\n"))
}
