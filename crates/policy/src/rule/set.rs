use std::cell::OnceCell;

use super::{
    Rule,
    index::Index,
    matcher::{Matcher, Subject},
};
use crate::{
    path::{Access, Links, Roots},
    verdict::Decision,
};

/// All rules in force, strictest first, and where to look for those that speak of something.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleSet {
    rules: Vec<Rule>,
    index: Index,
    depends_on_time: bool,
}

/// Which rules start from where a link leads now, looked up once for a call.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    read: OnceCell<Vec<u32>>,
    write: OnceCell<Vec<u32>>,
}

impl RuleSet {
    /// Rules of one effect stay in the order in which they are given.
    pub(crate) fn new(mut rules: Vec<Rule>) -> Self {
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.effect));
        let index = Index::new(&rules);
        let depends_on_time = rules.iter().any(|rule| rule.conditions.depend_on_time());
        Self { rules, index, depends_on_time }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn depends_on_time(&self) -> bool {
        self.depends_on_time
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The rules that speak of the subject, strictest first: what asking each rule would find.
    pub(crate) fn speaking<'r, 's>(
        &'r self,
        subject: Subject<'s>,
        moved: &'s Moved,
    ) -> impl Iterator<Item = &'r Rule> + use<'r, 's> {
        let mut candidates = if self.rules.is_empty() { Vec::new() } else { self.index.candidates(subject) };
        if let Subject::Path { access, roots, links, .. } = subject {
            candidates.extend_from_slice(moved.of(access, &self.index, roots, links));
        }
        candidates.sort_unstable();
        candidates.dedup();
        let rules = &self.rules;
        let candidates = candidates.into_iter().filter_map(|at| rules.get(at as usize));
        candidates.filter(move |rule| rule.speaks_of(subject))
    }

    /// The rules that restrict files by wildcards and may speak of what lies below the path, strictest first.
    pub(crate) fn floating_over<'r, 's>(
        &'r self,
        subject: Subject<'s>,
        moved: &'s Moved,
    ) -> impl Iterator<Item = &'r Rule> + use<'r, 's> {
        let mut candidates = Vec::new();
        if let Subject::Path { access, located, roots, links, .. } = subject
            && self.index.has_floating(access)
        {
            candidates = self.index.above(access, located, roots);
            candidates.extend_from_slice(moved.of(access, &self.index, roots, links));
        }
        candidates.sort_unstable();
        candidates.dedup();
        let rules = &self.rules;
        let candidates = candidates.into_iter().filter_map(|at| rules.get(at as usize));
        candidates.filter(move |rule| rule.effect != Decision::Allow && rule.matcher.floats_over(subject))
    }

    /// Asks every rule; what the index is held against in tests.
    #[cfg(test)]
    pub(crate) fn scan<'r, 's>(
        &'r self,
        subject: Subject<'s>,
    ) -> impl Iterator<Item = &'r Rule> + use<'r, 's> {
        self.rules.iter().filter(move |rule| rule.speaks_of(subject))
    }
}

impl Moved {
    fn of(&self, access: Access, index: &Index, roots: &Roots, links: &dyn Links) -> &[u32] {
        let cell = if access == Access::Read { &self.read } else { &self.write };
        cell.get_or_init(|| index.moved(access, roots, links))
    }
}

impl Rule {
    /// Whether the rule's pattern matches; any doubt is a yes for a rule that restricts, and a no for one that allows.
    fn speaks_of(&self, subject: Subject<'_>) -> bool {
        let matcher: &Matcher = &self.matcher;
        if self.effect == Decision::Allow { matcher.covers(subject) } else { matcher.touches(subject) }
    }
}
