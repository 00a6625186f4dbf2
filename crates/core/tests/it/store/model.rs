//! Random changes against a model that is simple enough to be right.

use std::sync::Arc;

use missiond_core::ports::{ApprovalFilter, Change, Finish, Store, StoreErrorKind, TaskFilter, Vacated};
use missiond_core::store::SqliteStore;
use missiond_core::{
    AgentStatus, Approval, ApprovalStatus, Decision, EventBody, LeaseToken, NewTask, TaskId, TaskResult,
    TaskStatus, ToolCall, Verdict,
};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::{collection, proptest};

use super::support::{Scratch, at, configure, slot, whole_log};

const SLOTS: usize = 3;

/// Things are named by their place among those that there are, modulo their number.
#[derive(Clone, Debug)]
enum Step {
    Submit,
    Lease { task: usize, slot: usize, until: i64 },
    Renew { task: usize, token: Token, until: i64 },
    Requeue { task: usize, token: Option<Token>, now: i64 },
    Finish { task: usize, token: Token, status: TaskStatus },
    End { task: usize, status: TaskStatus },
    Amend { task: usize },
    Occupy { slot: usize, task: usize },
    Status { slot: usize, task: usize, status: AgentStatus },
    Vacate { slot: usize, task: Option<usize> },
    Ask { task: usize, slot: usize },
    Settle { approval: usize, status: ApprovalStatus },
    TakeOver,
    Configure,
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Token {
    Held,
    Older,
    Unknown,
}

#[derive(Debug, Default)]
struct Model {
    tasks: Vec<ModelTask>,
    slots: [ModelSlot; SLOTS],
    approvals: Vec<ModelApproval>,
    tokens: u64,
    events: Vec<&'static str>,
}

#[derive(Debug)]
struct ModelTask {
    id: TaskId,
    status: TaskStatus,
    attempts: u32,
    lease: Option<(usize, u64, i64)>,
    has_result: bool,
}

#[derive(Clone, Copy, Debug)]
struct ModelSlot {
    status: AgentStatus,
    task: Option<usize>,
}

impl Default for ModelSlot {
    fn default() -> Self {
        Self { status: AgentStatus::Stopped, task: None }
    }
}

#[derive(Debug)]
struct ModelApproval {
    approval: Approval,
    task: usize,
    status: ApprovalStatus,
}

type Verdicted = Result<(), StoreErrorKind>;

impl Model {
    fn held(&self, task: usize, token: u64) -> Result<(usize, u64, i64), StoreErrorKind> {
        let task = &self.tasks[task];
        if task.status.is_final() {
            return Err(StoreErrorKind::Final);
        }
        task.lease.filter(|lease| lease.1 == token).ok_or(StoreErrorKind::Stale)
    }

    fn seated(&self, task: usize, slot: usize) -> Verdicted {
        let task = &self.tasks[task];
        if task.status.is_final() {
            return Err(StoreErrorKind::Final);
        }
        if task.lease.is_some_and(|lease| lease.0 == slot) { Ok(()) } else { Err(StoreErrorKind::Stale) }
    }

    fn expire(&mut self, of: Option<usize>) {
        for approval in &mut self.approvals {
            if approval.status == ApprovalStatus::Pending && of.is_none_or(|task| task == approval.task) {
                approval.status = ApprovalStatus::Expired;
                self.events.push("approval.settled");
            }
        }
    }

    fn requeue(&mut self, task: usize) {
        self.expire(Some(task));
        self.tasks[task].status = TaskStatus::Queued;
        self.tasks[task].lease = None;
        self.events.push("task.requeued");
    }

    fn end(&mut self, task: usize, status: TaskStatus, has_result: bool) {
        self.expire(Some(task));
        let task = &mut self.tasks[task];
        task.status = status;
        task.lease = None;
        task.has_result = has_result;
        self.events.push("task.finished");
    }

    fn empty(&mut self, slot: usize) {
        self.slots[slot] = ModelSlot::default();
        self.events.push("agent.status");
    }

    fn token(&self, task: usize, token: Token) -> u64 {
        let held = self.tasks[task].lease.map_or(self.tokens, |lease| lease.1);
        match token {
            Token::Held => held,
            Token::Older => held.saturating_sub(1),
            Token::Unknown => self.tokens + 7,
        }
    }

    /// What the step is as a change, and what must come of it; `None` when there is nothing to do it to.
    fn step(&mut self, step: &Step) -> Option<(Change, Verdicted)> {
        let tasks = self.tasks.len();
        let pick = |index: usize| (tasks > 0).then(|| index % tasks.max(1));
        let free = |slot: &ModelSlot| slot.task.is_none() && slot.status.is_vacant();
        Some(match *step {
            Step::Reopen => return None,
            Step::Submit => {
                let id = TaskId::generate();
                self.tasks.push(ModelTask {
                    id,
                    status: TaskStatus::Queued,
                    attempts: 0,
                    lease: None,
                    has_result: false,
                });
                self.events.push("task.submitted");
                (Change::SubmitTask { id, request: Box::new(NewTask::new("x")), at: at(0) }, Ok(()))
            }
            Step::Lease { task, slot: seat, until } => {
                let (task, seat) = (pick(task)?, seat % SLOTS);
                let id = self.tasks[task].id;
                let change = Change::LeaseTask { task: id, slot: slot(seat), at: at(0), until: at(until) };
                let taken = self.tasks.iter().any(|task| task.lease.is_some_and(|lease| lease.0 == seat));
                if self.tasks[task].status != TaskStatus::Queued || taken {
                    return Some((change, Err(StoreErrorKind::Conflict)));
                }
                self.tokens += 1;
                let task = &mut self.tasks[task];
                task.status = TaskStatus::Running;
                task.attempts += 1;
                task.lease = Some((seat, self.tokens, until));
                self.events.push("task.leased");
                (change, Ok(()))
            }
            Step::Renew { task, token, until } => {
                let task = pick(task)?;
                let token = self.token(task, token);
                let held = self.held(task, token);
                if let (Ok(_), Some(lease)) = (held, &mut self.tasks[task].lease) {
                    lease.2 = lease.2.max(until);
                }
                let id = self.tasks[task].id;
                (Change::RenewLease { task: id, token: LeaseToken(token), until: at(until) }, held.map(drop))
            }
            Step::Requeue { task, token, now } => {
                let task = pick(task)?;
                let token = token.map(|token| self.token(task, token));
                let expected = match (token, self.tasks[task].lease) {
                    (Some(token), _) => self.held(task, token).map(drop),
                    (None, Some(lease)) if lease.2 <= now => Ok(()),
                    (None, None) if self.tasks[task].status.is_final() => Err(StoreErrorKind::Final),
                    (None, _) => Err(StoreErrorKind::Conflict),
                };
                if expected.is_ok() {
                    self.requeue(task);
                }
                let (id, token) = (self.tasks[task].id, token.map(LeaseToken));
                (Change::RequeueTask { task: id, token, reason: "r".to_owned(), at: at(now) }, expected)
            }
            Step::Finish { task, token, status } => {
                let task = pick(task)?;
                let token = self.token(task, token);
                let mut expected = self.held(task, token).map(drop);
                if expected.is_ok() && !status.is_final() {
                    expected = Err(StoreErrorKind::Invalid);
                }
                if expected.is_ok() {
                    self.end(task, status, true);
                }
                let finish = Finish { status, reason: None, result: TaskResult::default() };
                let (id, token) = (self.tasks[task].id, LeaseToken(token));
                (Change::FinishTask { task: id, token, finish: Box::new(finish), at: at(1) }, expected)
            }
            Step::End { task, status } => {
                let task = pick(task)?;
                let expected = match status {
                    TaskStatus::Cancelled | TaskStatus::Failed if self.tasks[task].status.is_final() => {
                        Err(StoreErrorKind::Final)
                    }
                    TaskStatus::Cancelled | TaskStatus::Failed => Ok(()),
                    _ => Err(StoreErrorKind::Invalid),
                };
                if expected.is_ok() {
                    self.end(task, status, false);
                }
                let id = self.tasks[task].id;
                (Change::EndTask { task: id, status, reason: "e".to_owned(), at: at(1) }, expected)
            }
            Step::Amend { task } => {
                let task = &mut self.tasks[pick(task)?];
                let expected = match (task.status.is_final(), task.has_result) {
                    (false, _) => Err(StoreErrorKind::Conflict),
                    (true, true) => Err(StoreErrorKind::Final),
                    (true, false) => Ok(()),
                };
                task.has_result |= expected.is_ok();
                (Change::AmendResult { task: task.id, result: Box::default() }, expected)
            }
            Step::Occupy { slot: seat, task } => {
                let (task, seat) = (pick(task)?, seat % SLOTS);
                let is_vacant = self.slots[seat].task.is_none();
                let expected = self.seated(task, seat).and(if is_vacant {
                    Ok(())
                } else {
                    Err(StoreErrorKind::Conflict)
                });
                if expected.is_ok() {
                    self.slots[seat] = ModelSlot { status: AgentStatus::Starting, task: Some(task) };
                    self.events.push("agent.status");
                }
                (Change::OccupySlot { slot: slot(seat), task: self.tasks[task].id, at: at(1) }, expected)
            }
            Step::Status { slot: seat, task, status } => {
                let (task, seat) = (pick(task)?, seat % SLOTS);
                let is_his = self.slots[seat].task == Some(task);
                if is_his {
                    self.slots[seat].status = status;
                    self.events.push("agent.status");
                }
                let change = Change::SetAgentStatus {
                    slot: slot(seat),
                    task: self.tasks[task].id,
                    status,
                    evidence: "seen".to_owned(),
                    pid: Some(1),
                    at: at(1),
                };
                (change, if is_his { Ok(()) } else { Err(StoreErrorKind::Stale) })
            }
            Step::Vacate { slot: seat, task } => {
                let seat = seat % SLOTS;
                let task = match task {
                    Some(task) => Some(pick(task)?),
                    None => None,
                };
                let may = task.is_none() || self.slots[seat].task == task;
                if may {
                    self.empty(seat);
                }
                let vacated = Vacated {
                    task: task.map(|task| self.tasks[task].id),
                    status: AgentStatus::Stopped,
                    reason: "over".to_owned(),
                };
                let change = Change::VacateSlot { slot: slot(seat), vacated, at: at(1) };
                (change, if may { Ok(()) } else { Err(StoreErrorKind::Stale) })
            }
            Step::Ask { task, slot: seat } => {
                let (task, seat) = (pick(task)?, seat % SLOTS);
                let expected = self.seated(task, seat);
                let call = ToolCall::new("c", "Bash", serde_json::json!({}), "/");
                let verdict = Verdict::new(Decision::Ask, None, "why");
                let approval =
                    Approval::pending(self.tasks[task].id, slot(seat), call, verdict, at(1), at(50));
                if expected.is_ok() {
                    let status = ApprovalStatus::Pending;
                    self.approvals.push(ModelApproval { approval: approval.clone(), task, status });
                    self.events.push("approval.opened");
                }
                (Change::OpenApproval { approval: Box::new(approval) }, expected)
            }
            Step::Settle { approval, status } => {
                let count = self.approvals.len();
                let approval = &mut self.approvals[(count > 0).then(|| approval % count)?];
                let expected = match (status, approval.status) {
                    (ApprovalStatus::Pending, _) => Err(StoreErrorKind::Invalid),
                    (_, ApprovalStatus::Pending) => Ok(()),
                    _ => Err(StoreErrorKind::Final),
                };
                if expected.is_ok() {
                    approval.status = status;
                    self.events.push("approval.settled");
                }
                let approval = approval.approval.id;
                (
                    Change::SettleApproval { approval, status, by: "me".to_owned(), note: None, at: at(2) },
                    expected,
                )
            }
            Step::TakeOver => {
                self.expire(None);
                for task in 0..tasks {
                    if self.tasks[task].lease.is_some() {
                        self.requeue(task);
                    }
                }
                for seat in 0..SLOTS {
                    if !free(&self.slots[seat]) {
                        self.empty(seat);
                    }
                }
                (Change::TakeOverLeases { reason: "died".to_owned(), at: at(3) }, Ok(()))
            }
            Step::Configure => {
                for seat in 0..SLOTS {
                    let at_work =
                        self.tasks.iter().any(|task| task.lease.is_some_and(|lease| lease.0 == seat));
                    if !at_work {
                        self.slots[seat] = ModelSlot::default();
                    }
                }
                (configure(SLOTS), Ok(()))
            }
        })
    }

    /// The database says what the model says.
    async fn agrees(&self, store: &SqliteStore) {
        let found = store.tasks(TaskFilter::default()).await.unwrap();
        assert_eq!(found.len(), self.tasks.len());
        for (found, task) in found.iter().zip(&self.tasks) {
            let lease = task.lease.map(|(seat, token, until)| (slot(seat), LeaseToken(token), at(until)));
            assert_eq!(found.lease.clone().map(|lease| (lease.slot, lease.token, lease.until)), lease);
            assert_eq!((found.id, found.status, found.attempts), (task.id, task.status, task.attempts));
            assert_eq!(found.result.is_some(), task.has_result);
        }
        for (found, expected) in store.slots().await.unwrap().iter().zip(&self.slots) {
            let task = expected.task.map(|task| self.tasks[task].id);
            assert_eq!((found.status, found.task), (expected.status, task));
        }
        let found = store.approvals(ApprovalFilter::All).await.unwrap();
        let found: Vec<_> = found.iter().map(|approval| (approval.id, approval.status)).collect();
        let expected: Vec<_> =
            self.approvals.iter().map(|approval| (approval.approval.id, approval.status)).collect();
        assert_eq!(found, expected);
        let log = whole_log(store).await;
        let kinds: Vec<_> = log.iter().map(|event| event.body.kind()).collect();
        assert_eq!(kinds, self.events);
        let tokens: Vec<u64> = log
            .iter()
            .filter_map(|event| match event.body {
                EventBody::TaskLeased { token, .. } => Some(token.0),
                _ => None,
            })
            .collect();
        assert!(tokens.is_sorted_by(|one, next| one < next), "tokens must grow: {tokens:?}");
    }
}

fn step() -> impl Strategy<Value = Step> {
    let task = || 0..6_usize;
    let seat = || 0..SLOTS;
    let token = || prop_oneof![6 => Just(Token::Held), 1 => Just(Token::Older), 1 => Just(Token::Unknown)];
    let status = || proptest::sample::select(&TaskStatus::ALL[..]);
    prop_oneof![
        4 => Just(Step::Submit),
        8 => (task(), seat(), 5..20_i64).prop_map(|(task, slot, until)| Step::Lease { task, slot, until }),
        2 => (task(), token(), 5..40_i64).prop_map(|(task, token, until)| Step::Renew { task, token, until }),
        3 => (task(), proptest::option::of(token()), 0..30_i64)
            .prop_map(|(task, token, now)| Step::Requeue { task, token, now }),
        4 => (task(), token(), status()).prop_map(|(task, token, status)| Step::Finish { task, token, status }),
        2 => (task(), status()).prop_map(|(task, status)| Step::End { task, status }),
        1 => task().prop_map(|task| Step::Amend { task }),
        5 => (seat(), task()).prop_map(|(slot, task)| Step::Occupy { slot, task }),
        4 => (seat(), task(), proptest::sample::select(&AgentStatus::ALL[..]))
            .prop_map(|(slot, task, status)| Step::Status { slot, task, status }),
        2 => (seat(), proptest::option::of(task())).prop_map(|(slot, task)| Step::Vacate { slot, task }),
        5 => (task(), seat()).prop_map(|(task, slot)| Step::Ask { task, slot }),
        3 => (any::<usize>(), proptest::sample::select(&ApprovalStatus::ALL[..]))
            .prop_map(|(approval, status)| Step::Settle { approval, status }),
        1 => Just(Step::TakeOver),
        1 => Just(Step::Configure),
        1 => Just(Step::Reopen),
    ]
}

fn run(steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let scratch = Scratch::new();
        let mut store: Arc<SqliteStore> = scratch.owner();
        store.apply(configure(SLOTS)).await.unwrap();
        let mut model = Model::default();
        for step in steps {
            if matches!(step, Step::Reopen) {
                drop(store);
                store = scratch.owner();
                continue;
            }
            let Some((change, expected)) = model.step(step) else { continue };
            let shown = format!("{change:?}");
            let outcome = store.apply(change).await.map_err(|error| error.kind);
            assert_eq!(outcome.as_ref().map(drop).map_err(|kind| *kind), expected, "{shown}");
            if let Ok(applied) = outcome {
                assert_eq!(applied.seq.0, model.events.len() as u64, "{shown}");
            }
        }
        model.agrees(&store).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_changes_does_what_the_model_does(steps in collection::vec(step(), 1..80)) {
        run(&steps);
    }
}
