//! From a call to its verdict.

mod arguments;
mod below;
mod build;
mod changes;
mod contents;
mod directories;
mod earlier;
mod files;
mod git;
mod patterns;
mod search;
mod shell;
mod strictest;
mod web;
mod wildcards;

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use contents::Contents;
use earlier::Earlier;
use wildcards::Listed;

use crate::{
    call::{Surroundings, ToolCall},
    path::{Disk, Links, NoLinks, Roots},
    policy::Policies,
    preset::{Act, Lift},
    rates::CallRates,
    rule::{Moved, Rule, Subject},
    text::{quoted, shown},
    tool::{Kind, Tool},
    verdict::{Decision, Explanation, Risk, RuleId, Verdict},
};

impl Policies {
    /// Judges a call, resolving symbolic links on this machine's disk at this moment.
    ///
    /// Never fails: what can't be judged is asked or denied, with the reason in the verdict.
    #[must_use]
    pub fn judge(&self, call: &ToolCall, surroundings: &Surroundings) -> Verdict {
        self.judge_with(call, surroundings, &Disk)
    }

    /// Judges a call over any file system; a pure function of its arguments and of what `links` says.
    #[must_use]
    pub fn judge_with(&self, call: &ToolCall, surroundings: &Surroundings, links: &dyn Links) -> Verdict {
        self.judged(call, surroundings, links, None, None)
    }

    /// Judges over any file system, and counts the call for the rules with `calls_per_minute` that it would come under.
    /// `now` is the time since any moment that stays the same, and never goes back.
    ///
    /// Where nobody counts, as in the other ways to judge, such a rule applies to every call if it restricts, and to none
    /// if it allows.
    #[must_use]
    pub fn judge_counted(
        &self,
        call: &ToolCall,
        surroundings: &Surroundings,
        links: &dyn Links,
        rates: &CallRates,
        now: Duration,
    ) -> Verdict {
        self.judged(call, surroundings, links, None, Some((rates, now)))
    }

    /// Judges as [`Policies::judge`] does, and says what the verdict was made from.
    #[must_use]
    pub fn explain(&self, call: &ToolCall, surroundings: &Surroundings) -> Explanation {
        self.explain_with(call, surroundings, &Disk)
    }

    /// Explains over any file system; a pure function of its arguments and of what `links` says.
    #[must_use]
    pub fn explain_with(
        &self,
        call: &ToolCall,
        surroundings: &Surroundings,
        links: &dyn Links,
    ) -> Explanation {
        let seen = RefCell::new(Seen::default());
        let verdict = self.judged(call, surroundings, links, Some(&seen), None);
        let Seen { commands, effects, .. } = seen.into_inner();
        Explanation { verdict, commands, effects }
    }

    /// Whether a rule matches the call or a part of it, where no file is a link.
    pub(crate) fn speak_of(&self, call: &ToolCall, surroundings: &Surroundings) -> bool {
        let seen = RefCell::new(Seen::default());
        let _ = self.judged(call, surroundings, &NoLinks, Some(&seen), None);
        seen.into_inner().ruled
    }

    fn judged(
        &self,
        call: &ToolCall,
        surroundings: &Surroundings,
        links: &dyn Links,
        seen: Option<&RefCell<Seen>>,
        counting: Option<(&CallRates, Duration)>,
    ) -> Verdict {
        let verdict = match Roots::new(surroundings, links) {
            Ok(roots) => {
                let (tool, listed, moved) = (Tool::named(&call.tool), Listed::default(), Moved::default());
                let (contents, applied) = (Contents::default(), RefCell::default());
                let policies = self;
                let judge = Judge {
                    policies,
                    call,
                    surroundings,
                    roots,
                    links,
                    tool,
                    listed,
                    earlier: RefCell::default(),
                    contents,
                    moved,
                    counting,
                    applied,
                    seen,
                };
                judge.judge()
            }
            Err(error) => {
                let reason = format!("the directories this agent works in can't be judged: {error}");
                Verdict::new(Decision::Deny, Risk::High, reason)
            }
        };
        if surroundings.can_ask { verdict } else { verdict.when_nobody_can_answer() }
    }
}

/// Room for most reasons.
const REASON_BYTES: usize = 96;

/// The most commands and effects that an explanation names.
const MAX_SEEN: usize = 200;

/// What a judge finds on its way.
#[derive(Default)]
struct Seen {
    commands: Vec<String>,
    effects: Vec<&'static str>,
    /// Whether any rule matched.
    ruled: bool,
}

impl Seen {
    fn command(&mut self, shown: String) {
        if self.commands.len() < MAX_SEEN && !self.commands.contains(&shown) {
            self.commands.push(shown);
        }
    }

    fn effect(&mut self, row: &'static str) {
        if self.effects.len() < MAX_SEEN && !self.effects.contains(&row) {
            self.effects.push(row);
        }
    }
}

struct Judge<'a> {
    policies: &'a Policies,
    call: &'a ToolCall,
    surroundings: &'a Surroundings,
    roots: Roots,
    links: &'a dyn Links,
    tool: Tool,
    /// What was looked up in directories for this call.
    listed: Listed,
    /// What the parts of the command did that were looked at so far.
    earlier: RefCell<Earlier>,
    /// What was found in directories that this call takes with everything in them.
    contents: Contents<'a>,
    /// The rules that start from where a link leads.
    moved: Moved,
    /// Who counts the calls, and when this one is made.
    counting: Option<(&'a CallRates, Duration)>,
    /// Which of the rules that are counted apply to this call.
    applied: RefCell<Vec<(&'a RuleId, bool)>>,
    /// What is found on the way, where somebody wants to know.
    seen: Option<&'a RefCell<Seen>>,
}

/// A rule that speaks of what is judged, and whether it names just that.
#[derive(Clone, Copy)]
struct Hit<'a> {
    rule: &'a Rule,
    named: bool,
}

/// What is decided, before a reason is written for it.
struct Ruling<'r> {
    decision: Decision,
    risk: Risk,
    /// The rule that decided, where it isn't the preset.
    rule: Option<&'r Rule>,
}

impl<'a> Judge<'a> {
    fn judge(&self) -> Verdict {
        let whole = self.hit(Subject::Tool { tool: &self.tool, input: &self.call.input });
        let verdict = match self.tool.kind {
            Kind::Shell => self.shell(whole),
            Kind::Read | Kind::Write | Kind::Search => self.files(whole),
            Kind::Fetch => self.fetch(whole),
            Kind::WebSearch => self.settle(Act::Network, whole, "a search engine is asked"),
            Kind::Subagent => self.helper(whole),
            Kind::Bookkeeping => self.settle(Act::Lists, whole, "the agent keeps its own lists"),
            Kind::Person => self.settle(Act::Person, whole, "a person is asked something"),
            Kind::Unknown if self.call.tool.trim().is_empty() => {
                self.settle(Act::Unreadable, whole, "the tool has no name")
            }
            Kind::Unknown => self.settle(
                Act::UnknownTool,
                whole,
                format_args!("the tool {} isn't known", quoted(&self.call.tool)),
            ),
        };
        // A rule about the tool itself restricts whatever its arguments are.
        match whole.filter(|hit| hit.rule.effect != Decision::Allow) {
            Some(hit) => by_rule(hit.rule).strictest(verdict),
            None => verdict,
        }
    }

    /// A helper agent is started.
    fn helper(&self, whole: Option<Hit<'_>>) -> Verdict {
        // Tools differ in which argument names the type; without one they start this.
        let names: Vec<&str> =
            ["subagent_type", "agent_type", "name"].iter().filter_map(|key| self.argument(key)).collect();
        let names = if names.is_empty() { vec!["general-purpose"] } else { names };
        let settled = |name: &&str| {
            self.settle(Act::Helper, self.hit(Subject::Agent(name)).or(whole), "a helper agent is started")
        };
        let verdict = names.iter().map(settled).reduce(Verdict::strictest);
        let verdict = verdict.unwrap_or_else(|| self.unreadable("nothing names its type"));
        match self.widening() {
            Some(problem) => verdict.strictest(self.unreadable(&problem)),
            None => verdict,
        }
    }

    /// The strictest rule that speaks of the subject and applies.
    fn hit(&self, subject: Subject<'_>) -> Option<Hit<'a>> {
        let rules = &self.policies.rules;
        let rule: &'a Rule = rules.speaking(subject, &self.moved).find(|rule| self.applies(rule))?;
        if let Some(seen) = self.seen {
            seen.borrow_mut().ruled = true;
        }
        Some(Hit { rule, named: rule.matcher.is_specific() })
    }

    /// Whether the conditions of a rule that speaks of the call hold. It is counted as a call once, whatever its parts.
    fn applies(&self, rule: &'a Rule) -> bool {
        if !rule.conditions.hold(rule.effect, self.surroundings, &self.roots, self.links) {
            return false;
        }
        let Some(limit) = rule.conditions.calls_per_minute() else { return true };
        let restricts = rule.effect != Decision::Allow;
        let Some((rates, now)) = self.counting else { return restricts };
        let mut applied = self.applied.borrow_mut();
        if let Some((_, applies)) = applied.iter().find(|(id, _)| *id == &rule.id) {
            return *applies;
        }
        let applies = (rates.count(&rule.id, now) > limit) == restricts;
        applied.push((&rule.id, applies));
        applies
    }

    /// Weighs a rule against the preset's row.
    fn settle(&self, act: Act, hit: Option<Hit<'_>>, detail: impl fmt::Display) -> Verdict {
        self.reasoned(self.ruling(act, hit), act, detail)
    }

    fn ruling<'r>(&self, act: Act, hit: Option<Hit<'r>>) -> Ruling<'r> {
        let row = act.row();
        if let Some(seen) = self.seen {
            seen.borrow_mut().effect(row.id);
        }
        let mut decision = self.policies.preset.decides(row);
        if row.lift == Lift::Default {
            decision = decision.max(self.policies.default.unwrap_or(decision));
        }
        let by_preset = Ruling { decision, risk: row.risk, rule: None };
        let Some(Hit { rule, named }) = hit else { return by_preset };
        let by_rule = Ruling { decision: rule.effect, risk: rule.risk, rule: Some(rule) };
        let final_deny = decision == Decision::Deny && !self.is_default(row.lift, decision);
        match rule.effect {
            Decision::Deny => by_rule,
            Decision::Ask if final_deny => by_preset,
            Decision::Ask => by_rule,
            Decision::Allow => {
                let lifts = match row.lift {
                    Lift::Default | Lift::Rule => true,
                    Lift::Named => named,
                    Lift::Never => false,
                };
                if decision == Decision::Allow || (lifts && !final_deny) { by_rule } else { by_preset }
            }
        }
    }

    /// The verdict of a ruling, with its reason: `detail` where no rule says another.
    fn reasoned(&self, ruling: Ruling<'_>, act: Act, detail: impl fmt::Display) -> Verdict {
        if let Some(rule) = ruling.rule {
            return by_rule(rule);
        }
        let mut reason = String::with_capacity(REASON_BYTES);
        let _ = write!(reason, "{detail}");
        let rule = Some(self.policies.preset.rule(act));
        Verdict { decision: ruling.decision, rule, reason, risk: ruling.risk, part: None }
    }

    /// Whether the decision is only the policy's default, which any rule goes before.
    fn is_default(&self, lift: Lift, decision: Decision) -> bool {
        lift == Lift::Default && self.policies.default == Some(decision)
    }

    /// An argument that should be text.
    fn argument(&self, key: &str) -> Option<&'a str> {
        self.call.input.get(key)?.as_str()
    }

    fn home(&self) -> Option<&Path> {
        self.surroundings.home.as_deref()
    }

    /// The path with a leading `~` replaced; `None` where there is no home.
    fn expanded(&self, text: &str) -> Option<PathBuf> {
        Some(self.home()?.join(text.strip_prefix('~')?.trim_start_matches('/')))
    }
}

fn by_rule(rule: &Rule) -> Verdict {
    let verb = match rule.effect {
        Decision::Allow => "allows",
        Decision::Ask => "asks before",
        Decision::Deny => "denies",
    };
    let reason = rule.reason.clone().unwrap_or_else(|| {
        let when = rule.conditions.to_string();
        format!("the rule {} {verb} this{}", quoted(&rule.pattern), shown(&when))
    });
    Verdict { decision: rule.effect, rule: Some(rule.id.clone()), reason, risk: rule.risk, part: None }
}
