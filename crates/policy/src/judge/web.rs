use super::{Hit, Judge};
use crate::{
    preset::Act,
    rule::Subject,
    text::quoted,
    url::{host, is_local},
    verdict::Verdict,
};

impl Judge<'_> {
    /// A tool that fetches a URL.
    pub(super) fn fetch(&self, whole: Option<Hit<'_>>) -> Verdict {
        let Some(url) = self.argument("url") else { return self.unreadable("no argument `url` holds text") };
        let Some((host, port)) = host(url) else {
            return self.unreadable(&format!("the host of {} can't be told", quoted(url)));
        };
        let hit = self.hit(Subject::Domain(&host)).or(whole);
        let act = if is_local(&host, port) { Act::LocalNetwork } else { Act::Network };
        self.settle(act, hit, &format!("fetches from {}", quoted(&host)))
    }
}
