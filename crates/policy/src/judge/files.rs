use std::{fmt, path::Path};

use super::{Hit, Judge, by_rule, strictest::Strictest};
use crate::{
    path::{Access, Located, Place, Protection},
    preset::Act,
    rule::Subject,
    text::quoted,
    tool::{Kind, PATH_ARGUMENTS},
    verdict::{Decision, Risk, Verdict},
};

/// Who names a path: a tool made for files, or a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Tool,
    Command,
}

/// A path as somebody names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'n> {
    pub(super) text: &'n str,
    /// As it is shown, where that isn't what is looked up.
    pub(super) shown: &'n str,
    /// Where it starts from.
    pub(super) cwd: &'n Path,
}

impl<'n> Named<'n> {
    pub(super) fn itself(text: &'n str, cwd: &'n Path) -> Self {
        Self { text, shown: text, cwd }
    }
}

impl Judge<'_> {
    /// A tool made for files.
    pub(super) fn files(&self, whole: Option<Hit<'_>>) -> Verdict {
        let access = if self.tool.kind == Kind::Write { Access::Write } else { Access::Read };
        let mut strictest = Strictest::default();
        let mut add = |next: Verdict| strictest.add(next);
        if let Some(problem) = self.unknown_path() {
            add(self.unreadable(&problem));
        }
        let mut named = false;
        for key in PATH_ARGUMENTS {
            match self.call.input.get(key) {
                None => {}
                Some(serde_json::Value::Null) if self.tool.kind == Kind::Search => {}
                Some(value) => match value.as_str() {
                    Some(path) => {
                        named = true;
                        add(self.path(path, &self.call.cwd, access, By::Tool, whole));
                    }
                    None => add(self.unreadable(format_args!("the argument `{key}` isn't text"))),
                },
            }
        }
        if self.tool.kind == Kind::Search {
            let start = PATH_ARGUMENTS.iter().find_map(|key| self.argument(key)).unwrap_or(".");
            if !named {
                add(self.path(".", &self.call.cwd, access, By::Tool, whole));
            }
            // A pattern may lead out of the directory it starts from.
            let start = self.call.cwd.join(start);
            match self.name_patterns() {
                Ok(patterns) => {
                    for pattern in patterns {
                        add(self.name_pattern(pattern, &start, whole));
                    }
                }
                Err(problem) => add(self.unreadable(&problem)),
            }
        } else if !named {
            add(self.unreadable("no argument names a file"));
        }
        strictest.verdict().unwrap_or_else(|| self.unreadable("no argument names a file"))
    }

    /// One path, in every way a program might take it.
    pub(super) fn path(
        &self,
        text: &str,
        cwd: &Path,
        access: Access,
        by: By,
        whole: Option<Hit<'_>>,
    ) -> Verdict {
        let mut verdict = self.reading(Named::itself(text, cwd), access, by, whole);
        if by == By::Command {
            return verdict;
        }
        // Tools may take spaces off, and `~` for the home directory.
        let trimmed = text.trim();
        let meant = |path| Named { text: path, shown: text, cwd };
        if trimmed != text {
            verdict = verdict.strictest(self.reading(meant(trimmed), access, by, whole));
        }
        if trimmed == "~" || trimmed.starts_with("~/") {
            let home = self.expanded(trimmed);
            let home = home.as_deref().and_then(Path::to_str);
            verdict = verdict.strictest(match home {
                Some(home) => self.reading(meant(home), access, by, whole),
                None => self.settle(outside(access, by), whole, "`~` is used and there is no home directory"),
            });
        }
        verdict
    }

    pub(super) fn reading(&self, path: Named<'_>, access: Access, by: By, whole: Option<Hit<'_>>) -> Verdict {
        let mut strictest = Strictest::default();
        self.weigh_path(&mut strictest, path, access, by, whole);
        strictest.verdict().unwrap_or_else(|| self.unreadable("it isn't known what it does"))
    }

    /// Adds what is to be said of a path, in the one way in which it is given.
    pub(super) fn weigh_path(
        &self,
        strictest: &mut Strictest,
        path: Named<'_>,
        access: Access,
        by: By,
        whole: Option<Hit<'_>>,
    ) {
        let shown = quoted(path.shown);
        let located = match self.roots.locate(path.text, path.cwd, self.links) {
            Ok(located) => located,
            Err(error) => return self.weigh(strictest, Act::BadPath, None, format_args!("{shown}: {error}")),
        };
        let standing = located.standing(access, &self.roots);
        let hit = match access {
            Access::Delete => self.hit_throughout(&located, access),
            Access::Read | Access::Write => self.hit(self.subject(&located, access)),
        };
        // A rule for the whole tool or command allows a path too, but doesn't name it.
        let hit = hit.or(whole
            .filter(|hit| hit.rule.effect == Decision::Allow)
            .map(|hit| Hit { named: false, ..hit }));
        let (act, lies) = match standing.place {
            Place::Workspace | Place::Temp => (inside(access), "the workspace or a temporary directory"),
            Place::Elsewhere | Place::Protected(_) => {
                (outside(access, by), "neither the workspace nor a temporary directory")
            }
        };
        let verb = match access {
            Access::Read => "reads",
            Access::Write => "changes",
            Access::Delete => "removes, or changes throughout,",
        };
        self.weigh(strictest, act, hit, format_args!("{verb} {shown}, in {lies}"));
        let wide = self.tool.kind == Kind::Search
            && located.reached.iter().any(|path| self.roots.holds_private(path));
        if wide {
            let detail = format_args!("looks through {shown}, in which private or protected files lie");
            self.weigh(strictest, Act::WideSearch, hit, detail);
        }
        if let Some(protection) = standing.protection {
            let act = protected(protection, access);
            self.weigh(strictest, act, hit, format_args!("{verb} {shown}: {}", act.row().what));
        }
    }

    /// What a rule says against taking the path with everything in it, where the path alone says less.
    pub(super) fn throughout(&self, path: &str, cwd: &Path, access: Access) -> Option<Verdict> {
        let located = self.roots.locate(path, cwd, self.links).ok()?;
        let hit = self.hit_throughout(&located, access)?;
        (hit.rule.effect != Decision::Allow).then(|| by_rule(hit.rule))
    }

    fn subject<'s>(&'s self, located: &'s Located, access: Access) -> Subject<'s> {
        Subject::Path { access, below: false, located, roots: &self.roots, links: self.links }
    }

    pub(super) fn unreadable(&self, problem: impl fmt::Display) -> Verdict {
        let row = Act::Unreadable.row();
        Verdict {
            decision: self.policies.preset.decides(row),
            rule: Some(self.policies.preset.rule(Act::Unreadable)),
            reason: format!("the call of {} can't be read: {problem}", quoted(&self.call.tool)),
            risk: Risk::Medium,
            part: None,
        }
    }
}

fn inside(access: Access) -> Act {
    match access {
        Access::Read => Act::ReadInside,
        Access::Write => Act::WriteInside,
        Access::Delete => Act::DeleteInside,
    }
}

pub(super) fn outside(access: Access, by: By) -> Act {
    match (access, by) {
        (Access::Read, By::Tool) => Act::ReadOutside,
        (Access::Read, By::Command) => Act::NamedOutside,
        (Access::Write, _) => Act::WriteOutside,
        (Access::Delete, _) => Act::DeleteOutside,
    }
}

fn protected(protection: Protection, access: Access) -> Act {
    match (protection, access) {
        (Protection::Environment, Access::Read) => Act::SecretsFile,
        (Protection::Environment, _) => Act::SecretsFileChange,
        (Protection::StartupCode, _) => Act::StartupCode,
        (Protection::ProjectPolicy, _) => Act::ProjectPolicy,
        (Protection::Kernel, Access::Read) => Act::KernelRead,
        (Protection::Kernel, _) => Act::KernelWrite,
        (Protection::Git, _) => Act::GitInside,
        (Protection::AgentSettings, _) => Act::AgentSettings,
        (Protection::State, _) => Act::State,
        (Protection::Runtime, _) => Act::Runtime,
        (Protection::Credentials, _) => Act::Credentials,
        (Protection::Root, _) => Act::Root,
    }
}
