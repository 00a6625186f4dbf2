use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use crate::{
    path::{Links, Located, Roots},
    rule::path_pattern::{Anchor, PathPattern, below_in_any_case, readings},
};

/// Directories of which fewer rules than this speak aren't listed: looking for each name costs less.
const FEW: usize = 32;

/// The most names of a directory that are looked at, and the most directories that are listed.
const MAX_NAMES: usize = 4096;
const MAX_LISTED: usize = 64;

/// Rules for files, by where they start from.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    anchors: [Places; Anchor::ALL.len()],
    /// Whether a rule that restricts has a wildcard.
    floating: bool,
}

/// Rules that start from one directory. All names are in lower case.
#[derive(Debug, Clone, Default)]
struct Places {
    /// By the literal components before the wildcards.
    at: HashMap<String, Bucket>,
    /// Those that restrict, by each directory on the way to those components, the first and the last included.
    under: HashMap<String, Vec<u32>>,
    /// Those that restrict, as the components are written.
    tree: Node,
}

/// Rules by what their wildcards leave of the last component.
#[derive(Debug, Clone, Default)]
struct Bucket {
    any: Vec<u32>,
    names: HashMap<String, Vec<u32>>,
    endings: HashMap<String, Vec<u32>>,
    /// Those that have wildcards.
    floating: Vec<u32>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// By the name as it is written, below the name in lower case.
    children: HashMap<String, BTreeMap<OsString, Self>>,
    rules: Vec<u32>,
}

impl Paths {
    pub(super) fn add(&mut self, pattern: &PathPattern, rule: u32, restricts: bool) {
        let last = pattern.last_wild();
        self.floating |= restricts && last.is_some();
        let Some(places) = self.anchors.get_mut(pattern.anchor() as usize) else { return };
        let names = lower(pattern.literal());
        places.at.entry(names.join("/")).or_default().add(last, rule);
        if !restricts {
            return;
        }
        for depth in 0..=names.len() {
            places.under.entry(names[..depth].join("/")).or_default().push(rule);
        }
        let node = pattern.literal().iter().fold(&mut places.tree, |node, name| {
            node.children.entry(lower_name(name)).or_default().entry(name.to_owned()).or_default()
        });
        node.rules.push(rule);
    }

    /// The rules whose start, as it is spelled, holds the path or, with `below`, lies in it.
    pub(super) fn of(&self, located: &Located, roots: &Roots, below: bool, found: &mut Vec<u32>) {
        let mut paths: Vec<&PathBuf> = readings(located).collect();
        paths.dedup();
        for (anchor, places) in Anchor::ALL.into_iter().zip(&self.anchors) {
            if places.at.is_empty() {
                continue;
            }
            for base in anchor.bases(roots) {
                for path in &paths {
                    match below_in_any_case(path, &base) {
                        Some(rest) => places.of(&lower(&rest), below, found),
                        None if below && below_in_any_case(&base, path).is_some() => {
                            found.extend(places.under.get("").into_iter().flatten());
                        }
                        None => {}
                    }
                }
            }
        }
    }

    /// The rules that start from the path or above it, as they are spelled.
    pub(super) fn above(&self, located: &Located, roots: &Roots, found: &mut Vec<u32>) {
        for (anchor, places) in Anchor::ALL.into_iter().zip(&self.anchors) {
            for base in anchor.bases(roots) {
                for rest in readings(located).filter_map(|path| below_in_any_case(path, &base)) {
                    places.buckets(&lower(&rest), |bucket, _| found.extend(&bucket.floating));
                }
            }
        }
    }

    /// The rules whose start leads through a link now.
    pub(super) fn moved(&self, roots: &Roots, links: &dyn Links) -> Vec<u32> {
        let mut moved = Vec::new();
        if !links.has_links() {
            return moved;
        }
        // A file system that can't tell what exists says so of its root too.
        let tells = links.exists(Path::new("/"));
        let mut listed = 0;
        for (anchor, places) in Anchor::ALL.into_iter().zip(&self.anchors) {
            if places.tree.children.is_empty() {
                continue;
            }
            for base in anchor.bases(roots) {
                let mut todo = vec![(base, &places.tree)];
                while let Some((directory, node)) = todo.pop() {
                    if node.children.len() > FEW && tells && !links.exists(&directory) {
                        continue;
                    }
                    let names = if node.children.len() > FEW && listed < MAX_LISTED {
                        listed += 1;
                        links.names(&directory, MAX_NAMES)
                    } else {
                        None
                    };
                    // A name that differs in case may be the same file.
                    let there: Vec<_> = match names {
                        Some(names) => {
                            let names: HashSet<_> = names.iter().map(|name| lower_name(name)).collect();
                            names.iter().filter_map(|name| node.children.get(name)).flatten().collect()
                        }
                        None => node.children.values().flatten().collect(),
                    };
                    for (name, child) in there {
                        let path = directory.join(name);
                        if links.target(&path).is_some() {
                            child.all(&mut moved);
                        } else if !child.children.is_empty() {
                            todo.push((path, child));
                        }
                    }
                }
            }
        }
        moved
    }

    pub(super) fn has_floating(&self) -> bool {
        self.floating
    }
}

impl Places {
    fn of(&self, names: &[String], below: bool, found: &mut Vec<u32>) {
        self.buckets(names, |bucket, depth| bucket.of(&names[depth..], found));
        if below {
            found.extend(self.under.get(&names.join("/")).into_iter().flatten());
        }
    }

    /// The rules that start from each directory on the way, and how deep it lies.
    fn buckets(&self, names: &[String], mut each: impl FnMut(&Bucket, usize)) {
        let mut start = String::new();
        for depth in 0..=names.len() {
            if let Some(bucket) = self.at.get(&start) {
                each(bucket, depth);
            }
            if let Some(name) = names.get(depth) {
                if depth > 0 {
                    start.push('/');
                }
                start.push_str(name);
            }
        }
    }
}

impl Bucket {
    fn add(&mut self, last: Option<&str>, rule: u32) {
        if last.is_some() {
            self.floating.push(rule);
        }
        // A comma and braces may choose, and then what follows them is all that is certain.
        let special = ['*', '?', '[', ']', '{', '}', ',', '\\', '!'];
        let certain = last.map(|last| last.rsplit(special).next().unwrap_or_default());
        // The case of other letters may depend on what stands around them.
        let bucket = match (last, certain.filter(|certain| certain.is_ascii())) {
            (Some(last), Some(certain)) if certain == last => {
                self.names.entry(last.to_ascii_lowercase()).or_default()
            }
            (_, Some(certain)) => match certain.rsplit_once('.') {
                Some((_, ending)) => self.endings.entry(ending.to_ascii_lowercase()).or_default(),
                None => &mut self.any,
            },
            _ => &mut self.any,
        };
        bucket.push(rule);
    }

    fn of(&self, names: &[String], found: &mut Vec<u32>) {
        found.extend(&self.any);
        if self.names.is_empty() && self.endings.is_empty() {
            return;
        }
        for name in names {
            found.extend(self.names.get(name).into_iter().flatten());
            let ending = name.rsplit_once('.').map(|(_, ending)| ending);
            found.extend(ending.and_then(|ending| self.endings.get(ending)).into_iter().flatten());
        }
    }
}

impl Node {
    fn all(&self, rules: &mut Vec<u32>) {
        let mut todo = vec![self];
        while let Some(node) = todo.pop() {
            rules.extend(&node.rules);
            todo.extend(node.children.values().flat_map(BTreeMap::values));
        }
    }
}

fn lower(path: &Path) -> Vec<String> {
    path.iter().map(lower_name).collect()
}

fn lower_name(name: &OsStr) -> String {
    name.to_string_lossy().to_lowercase()
}
