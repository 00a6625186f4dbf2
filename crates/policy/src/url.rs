//! Where a URL leads.

/// Ports at which a machine is controlled rather than served: engines of containers and clusters, the metadata of cloud
/// machines, debuggers.
const CONTROL_PORTS: &[u16] =
    &[2375, 2376, 2377, 2379, 2380, 4243, 5985, 6443, 8001, 8500, 9229, 10250, 10255, 16443];

/// Whether a service of this machine is meant that doesn't control it.
pub(crate) fn is_local(host: &str, port: u16) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].contains(&host) && !CONTROL_PORTS.contains(&port)
}

/// Whether the URL leads to a service of this machine that doesn't control it.
pub(crate) fn is_this_machine(url: &str) -> bool {
    host(url).is_some_and(|(host, port)| is_local(&host, port))
}

/// The host of a URL, in lower case, and the port; `None` where programs might disagree about it.
pub(crate) fn host(url: &str) -> Option<(String, u16)> {
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
