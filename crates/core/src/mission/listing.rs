//! Listings that fit in one answer over the control socket.
//!
//! The newest items are given whole. When those have used up their part of a frame, the long texts of the others are
//! cut and marked with `…`; what does not even fit then is left out, the oldest first. The store keeps all of it.

use serde::Serialize;

use crate::control::wire::{MAX_FRAME_BYTES, encode};
use crate::model::{Approval, ApprovalStatus, Message, Task};
use crate::ports::{PageStart, Store, StoreError, TaskFilter, TaskPage};

/// How many bytes of JSON the items of one answer may have together, and how many of these go to whole ones. The rest of
/// a frame is for what stands around them.
const LISTED_BYTES: usize = MAX_FRAME_BYTES - (64 << 10);
const WHOLE_BYTES: usize = MAX_FRAME_BYTES / 2;
/// The most questions and messages of one answer.
const MAX_LISTED: usize = 1000;
/// How many tasks are held at once beside those of the answer.
const TASKS_AT_ONCE: usize = 64;
/// What is left of a long text that is cut, and of a list of files.
const CUT_BYTES: usize = 1024;
const CUT_FILES: usize = 20;

/// The newest tasks that a filter lets through, as many as fit, in the order of their submission.
pub(super) async fn tasks(store: &dyn Store, filter: TaskFilter) -> Result<Vec<Task>, StoreError> {
    let most = filter.newest.unwrap_or(usize::MAX);
    let mut page = TaskPage::new(PageStart::Newest, 0);
    page.statuses = filter.statuses;
    let mut room = Room::new();
    let mut listed: Vec<Task> = Vec::new();
    'pages: loop {
        page.limit = TASKS_AT_ONCE.min(most - listed.len());
        let tasks = store.task_page(page.clone()).await?;
        let Some(first) = tasks.first() else { break };
        page.start = PageStart::Before(first.id);
        for task in tasks.into_iter().rev() {
            let Some(task) = room.take(task, cut_task) else {
                tracing::warn!(
                    listed = listed.len(),
                    "older tasks do not fit in the answer and are left out"
                );
                break 'pages;
            };
            listed.push(task);
        }
    }
    listed.reverse();
    Ok(listed)
}

/// One task. Its long texts are cut if it would not fit in an answer: an answer of control characters is six times as
/// long in JSON.
pub(super) fn task(mut task: Task) -> Task {
    if size(&task) > LISTED_BYTES {
        cut_task(&mut task);
    }
    task
}

/// Questions, oldest first. Those that wait for an answer have the first call on the room there is.
pub(super) fn approvals(approvals: Vec<Approval>) -> Vec<Approval> {
    let mut numbered: Vec<(usize, Approval)> = approvals.into_iter().enumerate().collect();
    numbered.sort_by_key(|(number, approval)| (approval.status == ApprovalStatus::Pending, *number));
    let mut room = Room::new();
    let wanted = numbered.into_iter().rev().take(MAX_LISTED);
    let mut listed: Vec<(usize, Approval)> =
        wanted.filter_map(|(number, approval)| Some((number, room.take(approval, cut_approval)?))).collect();
    listed.sort_by_key(|(number, _)| *number);
    listed.into_iter().map(|(_, approval)| approval).collect()
}

/// The newest messages, oldest first.
pub(super) async fn messages(store: &dyn Store, most: usize) -> Result<Vec<Message>, StoreError> {
    let mut room = Room::new();
    let messages = store.messages(most.min(MAX_LISTED)).await?;
    let cut = |message: &mut Message| cut_text(&mut message.text);
    let mut listed: Vec<Message> =
        messages.into_iter().rev().map_while(|message| room.take(message, cut)).collect();
    listed.reverse();
    Ok(listed)
}

/// What is left of an answer.
struct Room {
    whole: usize,
    all: usize,
}

impl Room {
    fn new() -> Self {
        Self { whole: WHOLE_BYTES, all: LISTED_BYTES }
    }

    /// Makes an item fit: whole, or cut; `None` when there is no room even then.
    fn take<T: Serialize>(&mut self, mut item: T, cut: impl FnOnce(&mut T)) -> Option<T> {
        let mut bytes = size(&item);
        if bytes > self.whole {
            cut(&mut item);
            bytes = size(&item);
        } else {
            self.whole -= bytes;
        }
        self.all = self.all.checked_sub(bytes)?;
        Some(item)
    }
}

/// How many bytes it has as JSON, with the comma behind it.
fn size<T: Serialize>(item: &T) -> usize {
    encode(item, MAX_FRAME_BYTES).map_or(usize::MAX, |bytes| bytes.len())
}

fn cut_task(task: &mut Task) {
    cut_text(&mut task.request.prompt);
    task.reason.iter_mut().for_each(cut_text);
    if let Some(result) = &mut task.result {
        cut_text(&mut result.answer);
        if result.changed_files.len() > CUT_FILES {
            result.changed_files.truncate(CUT_FILES);
            result.changed_files.push("…".to_owned());
        }
        result.changed_files.iter_mut().for_each(cut_text);
    }
}

fn cut_approval(approval: &mut Approval) {
    let input = approval.call.input.to_string();
    if input.len() > CUT_BYTES {
        let mut input = input;
        cut_text(&mut input);
        approval.call.input = serde_json::json!({ "cut": input });
    }
    let texts = [&mut approval.call.id, &mut approval.call.tool, &mut approval.verdict.reason];
    texts.into_iter().for_each(cut_text);
    if approval.call.cwd.as_os_str().len() > CUT_BYTES {
        let mut cwd = approval.call.cwd.to_string_lossy().into_owned();
        cut_text(&mut cwd);
        approval.call.cwd = cwd.into();
    }
    approval.note.iter_mut().for_each(cut_text);
}

fn cut_text(text: &mut String) {
    let head = missiond_process::text::truncate(text, CUT_BYTES).len();
    if head < text.len() {
        text.truncate(head);
        text.push('…');
    }
}
