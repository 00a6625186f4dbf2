use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    ffi::OsString,
    path::{Component, Path, PathBuf},
    rc::Rc,
};

use serde::{Deserialize, Serialize};

use super::{
    MAX_PATH_BYTES,
    links::{Links, spelled, walked},
    protected::{by_name, holds_credentials, is_runtime_name},
};
use crate::{
    call::Surroundings,
    text::{is_invisible, looks_like_slash},
};

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Its contents or its name are looked at.
    Read,
    /// It is made or changed.
    Write,
    /// It, and what is in it, is removed, moved away or changed throughout.
    Delete,
}

/// Whose a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Place {
    /// In the agent's workspace.
    Workspace,
    /// In a temporary directory that the agent may use.
    Temp,
    /// Anywhere else.
    Elsewhere,
    /// Protected for this access, wherever it lies.
    Protected(Protection),
}

/// Why a path is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Protection {
    /// `.env` and its kin, which often hold secrets.
    Environment,
    /// Configuration that later runs code: shell start files, editor tasks, hook directories.
    StartupCode,
    /// The policy and configuration a workspace carries, which count once they are merged.
    ProjectPolicy,
    /// `/proc`, `/sys` and `/dev`.
    Kernel,
    /// The inside of a git directory.
    Git,
    /// Settings that could switch an agent's hooks off.
    AgentSettings,
    /// The orchestrator's own state.
    State,
    /// Sockets and scratch space of other programs in a temporary directory.
    Runtime,
    /// Keys and credentials.
    Credentials,
    /// A directory that everything else lies in: `/`, the home, the workspace itself.
    Root,
}

/// Why a path can't be judged. Such a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// No path at all.
    #[error("the path is empty")]
    Empty,
    /// A NUL or another control character is in it.
    #[error("the path holds a control character")]
    ControlCharacter,
    /// A character is in it that looks like a slash.
    #[error("the path holds a character that looks like a slash and isn't one")]
    LookAlikeSlash,
    /// A character is in it that takes no room or turns the reading direction.
    #[error("the path holds an invisible character")]
    Invisible,
    /// Over [`MAX_PATH_BYTES`].
    #[error("the path is longer than 4096 bytes")]
    TooLong,
    /// Its links lead in a circle.
    #[error("the path's symbolic links lead in a circle")]
    Loop,
    /// It is relative, and so is the directory it should start from.
    #[error("the path is relative and there is no absolute directory to start from")]
    Relative,
}

/// Tells whose a path is, for one kind of access.
///
/// A leading `~` is not expanded: that is the business of the program that wrote the path.
///
/// # Errors
///
/// If the path can't be judged: refuse it.
pub fn place_of(
    path: &str,
    cwd: &Path,
    access: Access,
    surroundings: &Surroundings,
    links: &dyn Links,
) -> Result<Place, PathError> {
    let roots = Roots::new(surroundings, links)?;
    let standing = roots.locate(path, cwd, links)?.standing(access, &roots);
    Ok(standing.protection.map_or(standing.place, Place::Protected))
}

/// A path in all its readings: as it is spelled, and as programs would reach it.
#[derive(Debug)]
pub(crate) struct Located {
    /// Absolute, without `.` and `..`, links as they are written.
    pub(crate) spelled: PathBuf,
    /// Where it leads; two readings where programs disagree.
    pub(crate) reached: Vec<PathBuf>,
    /// What was found out about it, for each kind of access.
    standings: [OnceCell<Standing>; 3],
}

/// The directories a verdict depends on, with their links resolved.
#[derive(Debug)]
pub(crate) struct Roots {
    /// What a directory stands for, and where it is.
    areas: Vec<(Area, PathBuf)>,
    /// The temporary directories, whether the agent may use them or not.
    temps: Vec<PathBuf>,
    /// The directories patterns of rules start from: the workspace and the project root, spelled and resolved.
    pub(crate) workspace: Vec<PathBuf>,
    pub(crate) project_root: Vec<PathBuf>,
    pub(crate) home: Vec<PathBuf>,
    /// What was resolved before, by the directory it starts from: one call names the same paths again and again.
    located: RefCell<HashMap<OsString, HashMap<String, Rc<Located>>>>,
}

/// The most paths that are kept.
const MAX_LOCATED: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Area {
    Elsewhere,
    Temp,
    Workspace,
    State,
}

impl Roots {
    pub(crate) fn new(surroundings: &Surroundings, links: &dyn Links) -> Result<Self, PathError> {
        let both = |path: &Path| -> Result<Vec<PathBuf>, PathError> {
            if !path.is_absolute() {
                return Err(PathError::Relative);
            }
            let spelled = spelled(path);
            if !links.has_links() {
                return Ok(vec![spelled]);
            }
            let walked = walked(path, links)?;
            Ok(if spelled == walked { vec![walked] } else { vec![walked, spelled] })
        };
        let workspace = both(&surroundings.workspace)?;
        let project_root = both(&surroundings.project_root)?;
        let home = surroundings.home.as_deref().map(both).transpose()?.unwrap_or_default();
        let mut areas = Vec::new();
        let mut add = |area, paths: &[PathBuf]| {
            // A workspace or temporary directory at `/` would make the whole machine the agent's.
            let paths = paths.iter().filter(|path| area >= Area::State || path.parent().is_some());
            areas.extend(paths.map(|path| (area, path.clone())));
        };
        add(Area::Elsewhere, &project_root);
        add(Area::Elsewhere, &home);
        let mut temps = Vec::new();
        for dir in &surroundings.temp_dirs {
            let dir = both(dir)?;
            add(Area::Temp, &dir);
            temps.extend(dir);
        }
        // Only where the workspace really is: its spelling may lead through a link that is changed later.
        add(Area::Workspace, &workspace[..1]);
        for dir in &surroundings.protected {
            add(Area::State, &both(dir)?);
        }
        add(Area::State, &both(&surroundings.project_root.join(".missiond"))?);
        let located = RefCell::default();
        let mut roots = Self { areas, temps, workspace, project_root, home, located };
        roots.shut_out_siblings();
        Ok(roots)
    }

    /// What lies beside the workspace or the project is somebody else's, in a temporary directory too.
    fn shut_out_siblings(&mut self) {
        let own = self.workspace.iter().chain(&self.project_root);
        let parents = own.filter_map(|path| path.parent()).filter(|path| self.area(path).0 == Area::Temp);
        for parent in parents.map(Path::to_owned).collect::<Vec<_>>() {
            // One may lie in another, which is shut out by then.
            if self.area(&parent).0 == Area::Temp {
                self.areas.retain(|(area, root)| *area != Area::Temp || *root != parent);
                self.areas.push((Area::Elsewhere, parent));
            }
        }
    }

    /// Whether the path belongs to another program that keeps its things in a temporary directory.
    fn is_runtime(&self, path: &Path, root: Option<&Path>) -> bool {
        let names = self.temps.iter().filter(|temp| root.is_none_or(|root| temp.starts_with(root)));
        names
            .filter_map(|temp| path.strip_prefix(temp).ok()?.components().next())
            .any(|name| is_runtime_name(&name.as_os_str().to_string_lossy()))
    }

    /// Resolves a path in all its readings.
    pub(crate) fn locate(&self, path: &str, cwd: &Path, links: &dyn Links) -> Result<Rc<Located>, PathError> {
        let known = self.located.borrow();
        if let Some(located) = known.get(cwd.as_os_str()).and_then(|paths| paths.get(path)) {
            return Ok(Rc::clone(located));
        }
        drop(known);
        check_text(path)?;
        if path.is_empty() {
            return Err(PathError::Empty);
        }
        if !cwd.is_absolute() && !path.starts_with('/') {
            return Err(PathError::Relative);
        }
        let whole = cwd.join(path);
        if whole.as_os_str().len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        let spelled = spelled(&whole);
        let mut reached = vec![walked(&whole, links)?];
        // Only `..` is read in two ways.
        if links.has_links() && whole.components().any(|component| component == Component::ParentDir) {
            let other = walked(&spelled, links)?;
            if other != reached[0] {
                reached.push(other);
            }
        }
        let located = Rc::new(Located { spelled, reached, standings: Default::default() });
        let mut known = self.located.borrow_mut();
        if known.values().map(HashMap::len).sum::<usize>() < MAX_LOCATED {
            known.entry(cwd.as_os_str().to_owned()).or_default().insert(path.to_owned(), Rc::clone(&located));
        }
        Ok(located)
    }

    /// Whether a look through everything below the path would come upon a home directory, credentials or the
    /// orchestrator's state. What lies in the workspace is the agent's to look through.
    pub(crate) fn holds_private(&self, path: &Path) -> bool {
        if self.workspace.iter().any(|workspace| path.starts_with(workspace)) {
            return false;
        }
        let states = self.areas.iter().filter(|(area, _)| *area == Area::State).map(|(_, root)| root);
        let ours = self.home.iter().chain(states).any(|root| root.starts_with(path));
        let depth = path.components().count();
        let of_people = depth == 3 && (path.starts_with("/home") || path.starts_with("/Users"));
        let wide = depth <= 1
            || ["/home", "/Users", "/root", "/etc", "/var", "/run", "/media", "/mnt"]
                .iter()
                .any(|wide| path == Path::new(wide));
        let temp = self.area(path).0 == Area::Temp;
        ours || of_people || wide || (!temp && holds_credentials(path))
    }

    /// The deepest of our directories that holds the path.
    fn area(&self, path: &Path) -> (Area, Option<&Path>) {
        let holding = self.areas.iter().filter(|(_, root)| path.starts_with(root));
        let deepest = holding.max_by_key(|(area, root)| (root.components().count(), *area));
        deepest.map_or((Area::Elsewhere, None), |(area, root)| (*area, Some(root)))
    }

    /// Whose the path is by where it lies, and what protects it.
    fn standing(&self, path: &Path, access: Access) -> Standing {
        let (area, root) = self.area(path);
        let place = match area {
            Area::Workspace => Place::Workspace,
            Area::Temp => Place::Temp,
            Area::Elsewhere | Area::State => Place::Elsewhere,
        };
        if access != Access::Read && self.is_root(path, access, area) {
            return Standing { place, protection: Some(Protection::Root) };
        }
        // The file system may take no notice of capital letters.
        let of_project = self.project_root.iter().filter_map(|root| path.strip_prefix(root).ok());
        let mut firsts = of_project.filter_map(|below| below.components().next());
        let around =
            root.is_none_or(|root| self.project_root.iter().any(|project| project.starts_with(root)));
        let state = around && firsts.any(|first| first.as_os_str().eq_ignore_ascii_case(".missiond"));
        if area == Area::State || state {
            return Standing { place, protection: Some(Protection::State) };
        }
        if self.is_runtime(path, root) {
            return Standing { place, protection: Some(Protection::Runtime) };
        }
        // Below the agent's own directories only the path from there on counts: a workspace may lie in
        // `.claude/worktrees`.
        let own = match (area, root) {
            (Area::Workspace | Area::Temp, Some(root)) => Some(root),
            _ => self.workspace.iter().map(PathBuf::as_path).find(|root| path.starts_with(root)),
        };
        let below = own.and_then(|root| path.strip_prefix(root).ok()).unwrap_or(path);
        Standing { place, protection: by_name(below, access) }
    }

    /// Whether removing (or changing throughout) the path would take one of our directories, or a whole part
    /// of the system, with it.
    fn is_root(&self, path: &Path, access: Access, area: Area) -> bool {
        let holds_ours =
            access == Access::Delete && self.areas.iter().any(|(_, root)| root.starts_with(path));
        let depth = path.components().count();
        let of_system =
            depth <= 2 || (depth == 3 && (path.starts_with("/home") || path.starts_with("/Users")));
        holds_ours || (area == Area::Elsewhere && of_system)
    }
}

impl Located {
    /// A path that holds no link.
    pub(crate) fn plain(path: &Path) -> Self {
        Self { spelled: path.to_owned(), reached: vec![path.to_owned()], standings: Default::default() }
    }

    /// Whose the path is and what protects it; the strictest of its readings.
    pub(crate) fn standing(&self, access: Access, roots: &Roots) -> Standing {
        *self.standings[access as usize].get_or_init(|| self.stands(access, roots))
    }

    fn stands(&self, access: Access, roots: &Roots) -> Standing {
        if is_harmless_device(&self.spelled) && access != Access::Delete {
            return Standing { place: Place::Temp, protection: None };
        }
        let readings = self.reached.iter().map(|path| roots.standing(path, access));
        // The spelling alone doesn't say where a path is, but a protected name stays one when it is a link.
        let linked = !self.reached.contains(&self.spelled);
        let named = linked.then(|| roots.standing(&self.spelled, access).protection).flatten();
        readings.fold(Standing { place: Place::Workspace, protection: named }, |worst, reading| Standing {
            place: worst.place.max(reading.place),
            protection: worst.protection.max(reading.protection),
        })
    }
}

/// Whose a path is by where it lies, and what protects it besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) place: Place,
    pub(crate) protection: Option<Protection>,
}

/// Refuses text that can't be a path anybody means.
pub(crate) fn check_text(path: &str) -> Result<(), PathError> {
    if path.len() > MAX_PATH_BYTES {
        Err(PathError::TooLong)
    } else if path.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        Ok(())
    } else if path.chars().any(char::is_control) {
        Err(PathError::ControlCharacter)
    } else if path.chars().any(looks_like_slash) {
        Err(PathError::LookAlikeSlash)
    } else if path.chars().any(is_invisible) {
        Err(PathError::Invisible)
    } else {
        Ok(())
    }
}

/// Devices that hold nothing and change nothing.
fn is_harmless_device(path: &Path) -> bool {
    let devices = ["null", "zero", "full", "random", "urandom", "stdin", "stdout", "stderr"];
    path.parent() == Some(Path::new("/dev"))
        && path.file_name().and_then(|name| name.to_str()).is_some_and(|name| devices.contains(&name))
}
