use super::{Hit, Judge};
use crate::{preset::Act, rule::Subject, text::quoted, verdict::Verdict};

/// Ports at which a machine is controlled rather than served: engines of containers and clusters, the metadata of cloud
/// machines, debuggers.
const CONTROL_PORTS: &[u16] =
    &[2375, 2376, 2377, 2379, 2380, 4243, 5985, 6443, 8001, 8500, 9229, 10250, 10255, 16443];

impl Judge<'_> {
    /// A tool that fetches a URL.
    pub(super) fn fetch(&self, whole: Option<Hit<'_>>) -> Verdict {
        let Some(url) = self.argument("url") else { return self.unreadable("no argument `url` holds text") };
        let Some((host, port)) = host(url) else {
            return self.unreadable(&format!("the host of {} can't be told", quoted(url)));
        };
        let hit = self.hit(Subject::Domain(&host)).or(whole);
        let local = ["localhost", "127.0.0.1", "[::1]"].contains(&host.as_str());
        let act = if local && !CONTROL_PORTS.contains(&port) { Act::LocalNetwork } else { Act::Network };
        self.settle(act, hit, &format!("fetches from {}", quoted(&host)))
    }
}

/// The host of a URL, in lower case, and the port; `None` where programs might disagree about it.
fn host(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(address) => {
            let (address, port) = address.split_once(']')?;
            (format!("[{address}]"), port)
        }
        None => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
            (host.to_owned(), port)
        }
    };
    let named = host.trim_end_matches('.');
    let plain = !named.is_empty()
        && named.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'))
        && port.trim_start_matches(':').bytes().all(|byte| byte.is_ascii_digit());
    let port = match port.trim_start_matches(':') {
        "" if scheme.eq_ignore_ascii_case("https") => 443,
        "" => 80,
        port => port.parse().ok()?,
    };
    plain.then(|| (named.to_ascii_lowercase(), port))
}
