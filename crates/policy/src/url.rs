//! Where a URL leads.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::text::is_invisible;

/// The most parts of a URL that are held against rules.
const MAX_SUSPECTS: usize = 64;

/// Ports at which a machine is controlled rather than served: engines of containers and clusters, the metadata of cloud
/// machines, debuggers.
const CONTROL_PORTS: &[u16] =
    &[2375, 2376, 2377, 2379, 2380, 4243, 5985, 6443, 8001, 8500, 9229, 10250, 10255, 16443];

/// Whether a service of this machine is meant that doesn't control it.
pub(crate) fn is_local(host: &str, port: u16) -> bool {
    // RFC 6761 and RFC 1122: names below `localhost` and all of 127.0.0.0/8 are this machine.
    let loopback = host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    (host == "localhost" || host.ends_with(".localhost") || host == "[::1]" || loopback)
        && !CONTROL_PORTS.contains(&port)
}

/// Whether the URL leads to a service of this machine that doesn't control it.
pub(crate) fn is_this_machine(url: &str) -> bool {
    host(url).is_some_and(|(host, port)| is_local(&host, port))
}

/// All that could be the host of a URL about which programs disagree: one with a user, with backslashes, without slashes,
/// with characters that some leave out.
pub(crate) fn suspects(url: &str) -> Vec<String> {
    let kept: String = url.chars().filter(|c| !c.is_control() && !is_invisible(*c)).collect();
    let kept = kept.trim();
    let scheme = kept.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
    let rest = match scheme {
        Some(end) if kept[end..].starts_with(':') => &kept[end + 1..],
        _ => kept,
    };
    let start = rest.trim_start_matches(['/', '\\']);
    // Without a scheme the first part may be a host or a port may follow it, so that nothing is left out.
    let all = [start, kept].map(|text| text.split(['/', '?', '#']).next().unwrap_or_default());
    let mut hosts: Vec<String> = Vec::new();
    for authority in all {
        let decoded = decoded(authority);
        let parts = [authority, decoded.as_str()].into_iter().flat_map(|text| {
            text.split(['/', '\\', '?', '#'])
                // The user's name is no host.
                .map(|text| text.split_once('@').map_or(text, |(_, rest)| rest))
                .flat_map(|text| text.split(|c: char| matches!(c, '@' | ':' | '%') || c.is_whitespace()))
        });
        for part in parts.filter(|part| !part.is_empty()).take(MAX_SUSPECTS) {
            let host = part.to_lowercase();
            hosts.extend(address(&host));
            hosts.push(host);
        }
    }
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// The text with `%41` and the like replaced.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The address that a host stands for when it is written as a number, in parts of other bases, or as IPv6; `None` where
/// it is a name, or written as usual.
pub(crate) fn address(host: &str) -> Option<String> {
    let plain = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inside) => {
            let address: Ipv6Addr = inside.parse().ok()?;
            address.to_ipv4_mapped().map_or_else(|| format!("[{address}]"), |address| address.to_string())
        }
        None => {
            let parts: Option<Vec<u32>> = host.split('.').map(number).collect();
            let parts = parts?;
            let (last, first) = parts.split_last()?;
            // The last part stands for all bytes that are left.
            let left = 4_usize.checked_sub(first.len()).filter(|left| *left > 0)?;
            if first.iter().any(|part| *part > 255) || (left < 4 && *last >= 1 << (8 * left)) {
                return None;
            }
            let high = first.iter().zip([24, 16, 8]).fold(0, |sum, (part, shift)| sum | (part << shift));
            Ipv4Addr::from(high | last).to_string()
        }
    };
    (plain != host).then_some(plain)
}

/// A number as C reads it.
fn number(text: &str) -> Option<u32> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hex {
        Some("") => Some(0),
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten(),
    }
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
