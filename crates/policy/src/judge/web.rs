use super::{Hit, Judge, by_rule};
use crate::{
    preset::Act,
    rule::Subject,
    text::quoted,
    url::{address, host, is_local, suspects},
    verdict::{Decision, Verdict},
};

impl Judge<'_> {
    /// A tool that fetches a URL.
    pub(super) fn fetch(&self, whole: Option<Hit<'_>>) -> Verdict {
        let Some(url) = self.argument("url") else { return self.unreadable("no argument `url` holds text") };
        let Some((host, port)) = host(url) else {
            let problem = format!("the host of {} can't be told", quoted(url));
            return self.restricted(self.unreadable(&problem), suspects(url).iter().map(String::as_str));
        };
        let hit = self.hit(Subject::Domain(&host)).or(whole);
        let act = if is_local(&host, port) { Act::LocalNetwork } else { Act::Network };
        let verdict = self.settle(act, hit, format_args!("fetches from {}", quoted(&host)));
        self.restricted(verdict, address(&host).as_deref().into_iter())
    }

    /// The verdict with what rules say against other hosts that may be meant.
    fn restricted<'h>(&self, verdict: Verdict, hosts: impl Iterator<Item = &'h str>) -> Verdict {
        let hits = hosts.filter_map(|host| self.hit(Subject::Domain(host)));
        let restricting = hits.filter(|hit| hit.rule.effect != Decision::Allow);
        restricting.fold(verdict, |verdict, hit| verdict.strictest(by_rule(hit.rule)))
    }
}
