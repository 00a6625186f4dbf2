//! Naming a thing by a part of its id.

use std::fmt::Display;
use std::str::FromStr;

use crate::error::Error;
use crate::ids::{ApprovalId, MessageId, TaskId};
use crate::ports::{PageStart, Store, TaskPage};

/// How many candidates an error names, and how much of each one's title.
const MAX_NAMED: usize = 8;
const MAX_TITLE_BYTES: usize = 60;
/// Fewer digits would be somebody's by chance. The first ones of an id tell only the day that it was made.
const MIN_DIGITS: usize = 4;
const MIN_BEGINNING: usize = 6;
/// How many tasks are held whole at once.
const TASKS_AT_ONCE: usize = 64;

/// An id that people shorten.
pub trait ShortId: Copy + Eq + Display + FromStr {
    /// The form that is shown to people.
    fn short(&self) -> String;
}

macro_rules! short_id {
    ($($id:ty),*) => {
        $(impl ShortId for $id {
            fn short(&self) -> String {
                <$id>::short(self)
            }
        })*
    };
}

short_id!(TaskId, ApprovalId, MessageId);

/// Finds the one thing that `text` names: by its whole id, by at least 4 characters of the beginning or the end of its short
/// form, or by at least 6 of the beginning of the id, if no other candidate has them. Letter case and dashes don't count.
///
/// Each candidate comes with a title, which an error shows.
///
/// # Errors
///
/// [`Error::Missing`] when there is none or the text is too short, [`Error::Invalid`] when there are several, which are
/// named.
pub fn find<'a, I: ShortId>(
    what: &str,
    text: &str,
    candidates: impl IntoIterator<Item = (I, &'a str)>,
) -> Result<I, Error> {
    let shown = crate::text::escape_line(missiond_process::text::truncate(text, 80));
    let wanted = text.replace('-', "").to_ascii_lowercase();
    let hexadecimal = !wanted.is_empty() && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal && wanted.len() < MIN_DIGITS {
        return Err(Error::Missing(format!(
            "`{shown}` is too little to name one {what}; write at least {MIN_DIGITS} characters of its id"
        )));
    }
    let fits = |id: &I| {
        let whole = id.to_string().replace('-', "");
        let begins = wanted.len() >= MIN_BEGINNING && whole.starts_with(&wanted);
        begins || whole.ends_with(&wanted) || id.short().starts_with(&wanted)
    };
    let found: Vec<(I, &str)> = candidates.into_iter().filter(|(id, _)| hexadecimal && fits(id)).collect();
    match found.as_slice() {
        [(id, _)] => Ok(*id),
        [] => Err(Error::Missing(format!("there is no {what} `{shown}`"))),
        several => {
            let named: Vec<String> =
                several.iter().take(MAX_NAMED).map(|(id, title)| name(id, title)).collect();
            let more = several.len().saturating_sub(MAX_NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Err(Error::Invalid(format!(
                "{what} `{shown}` is ambiguous, it could be {}{more}; write more of the id",
                named.join(", ")
            )))
        }
    }
}

/// Finds the task that `text` names among all that a store has, without holding them.
pub(crate) async fn find_task(store: &dyn Store, text: &str) -> Result<TaskId, Error> {
    let mut titles: Vec<(TaskId, String)> = Vec::new();
    let mut page = TaskPage::new(PageStart::Oldest, TASKS_AT_ONCE);
    loop {
        let tasks = store.task_page(page.clone()).await?;
        let Some(last) = tasks.last() else { break };
        page.start = PageStart::After(last.id);
        titles.extend(tasks.iter().map(|task| {
            (task.id, missiond_process::text::truncate(&task.request.prompt, MAX_TITLE_BYTES).to_owned())
        }));
    }
    find("task", text, titles.iter().map(|(id, title)| (*id, title.as_str())))
}

fn name<I: ShortId>(id: &I, title: &str) -> String {
    let line = title.lines().next().unwrap_or_default();
    let line = crate::text::escape_line(missiond_process::text::truncate(line, MAX_TITLE_BYTES));
    format!("{id} ({line})")
}
