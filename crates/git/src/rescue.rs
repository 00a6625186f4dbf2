use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::command::{Call, records, to_path};
use crate::nested::{gitlinks, is_published, stage_everything};
use crate::site::{NO_FILE, open_regular, read_small};
use crate::{Error, ObjectId, Repository, Result, Workspace, WorkspaceName, record};

const PREFIX: &str = "refs/missiond/rescue/";
const SUBJECT: &str = "missiond: uncommitted work of ";

/// Work kept when its workspace was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rescue {
    /// The full ref name, `refs/missiond/rescue/<workspace>/<time>`.
    pub reference: String,
    /// The workspace it came from.
    pub workspace: WorkspaceName,
    /// What the ref points to: a commit with the files as they were, or a tip that is on no branch any more.
    pub commit: ObjectId,
    /// For uncommitted work, the commit it was made on (`None` if there was none); for a tip, the tip itself.
    pub made_on: Option<ObjectId>,
    /// When it was kept, to the second.
    pub time: SystemTime,
}

impl Repository {
    /// Lists what is kept, oldest first for each workspace.
    ///
    /// # Errors
    /// When `git` fails.
    pub fn rescues(&self) -> Result<Vec<Rescue>> {
        let out = self
            .git
            .read(self.root(), "for-each-ref")
            .arg("--format=%(refname)%00%(objectname)%00%(parent)%00%(subject)%00")
            .arg(PREFIX)
            .bytes()?;
        let text = String::from_utf8_lossy(&out);
        let mut fields = text.split('\0').map(|field| field.trim_start_matches('\n'));
        let mut list = Vec::new();
        while let (Some(reference), Some(commit), Some(parents), Some(subject)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        {
            // Refs that others put there are theirs.
            list.extend(parse(reference, commit, parents, subject));
        }
        Ok(list)
    }

    /// Puts kept uncommitted work into a workspace, as uncommitted changes and untracked files again.
    ///
    /// The workspace must be clean and at the commit the work was made on ([`Rescue::made_on`]); create one with
    /// that as its base. The rescue stays. File contents come back byte for byte unless the repository's
    /// attributes convert them.
    ///
    /// # Errors
    /// [`Error::NotClean`] also if ignored files are in the way; [`Error::RescueElsewhere`], [`Error::NoSuchRescue`],
    /// [`Error::OperationInProgress`], [`Error::Redirected`].
    pub fn restore_rescue(&self, rescue: &Rescue, into: &Workspace) -> Result<()> {
        let current = self.commit_of(self.root(), &rescue.reference)?;
        if current.as_ref() != Some(&rescue.commit) {
            return Err(Error::NoSuchRescue { reference: rescue.reference.clone() });
        }
        self.require_own(into)?;
        self.refuse_operation(&into.path)?;
        let head = self.commit_of(&into.path, "HEAD")?;
        let expected = rescue.made_on.as_ref().unwrap_or(&rescue.commit);
        if head.as_ref() != Some(expected) {
            let found = head.map_or_else(|| "no commit".to_owned(), |id| id.to_string());
            return Err(Error::RescueElsewhere {
                path: into.path.clone(),
                expected: expected.to_string(),
                found,
            });
        }
        let in_the_way = self.in_the_way(&into.path, expected, &rescue.commit)?;
        if self.status(&into.path)?.is_dirty() || !in_the_way.is_empty() {
            return Err(Error::NotClean { path: into.path.clone() });
        }
        // Only what differs is written, and without the conversion of line ends. The index stays at HEAD: what was
        // untracked is untracked again.
        for gone in self.differing_paths(&into.path, expected, &rescue.commit, "--diff-filter=D")? {
            delete_with_empty_parents(&into.path, &gone)?;
        }
        let mut paths = Vec::new();
        for path in self.differing_paths(&into.path, expected, &rescue.commit, "--diff-filter=AMT")? {
            paths.extend_from_slice(path.as_os_str().as_bytes());
            paths.push(0);
        }
        let index = TemporaryIndex::empty(self)?;
        let git = |subcommand: &str| {
            self.git.write(&into.path, subcommand).env("GIT_INDEX_FILE", &index.path).exact()
        };
        git("read-tree").arg(rescue.commit.as_str()).bytes()?;
        git("checkout-index")
            .args(["--force", "--ignore-skip-worktree-bits", "-z", "--stdin"])
            .input(paths)
            .bytes()?;
        Ok(())
    }

    /// Keeps what a worktree has and no ref does. Neither index nor files of the worktree are changed.
    ///
    /// `tree` may lie elsewhere than the administrative directory says; `None` if the files are gone.
    pub(crate) fn rescue_work(
        &self,
        name: &WorkspaceName,
        admin_dir: &Path,
        tree: Option<&Path>,
    ) -> Result<Vec<Rescue>> {
        if !admin_dir.join("HEAD").is_file() {
            return match tree {
                None => Ok(Vec::new()),
                Some(_) => {
                    let reason = "without it git can't keep the files; move them away by hand";
                    Err(Error::UnusablePath { path: admin_dir.join("HEAD"), reason })
                }
            };
        }
        let mut kept = Vec::new();
        kept.extend(self.rescue_files(name, admin_dir, tree)?);
        for stash in self.parked(admin_dir)? {
            kept.push(self.keep_parked(name, &stash)?);
        }
        Ok(kept)
    }

    /// Keeps the files, with the commits they were made on, or the commits alone.
    fn rescue_files(
        &self,
        name: &WorkspaceName,
        admin_dir: &Path,
        tree: Option<&Path>,
    ) -> Result<Option<Rescue>> {
        let head = self.commit_of(admin_dir, "HEAD")?;
        if let Some(tree) = tree {
            let index = TemporaryIndex::copy_of(self, &admin_dir.join("index"))?;
            let worktree = Detour { repo: self, admin_dir, tree, index: &index.path };
            if let Some(commit) = worktree.commit_everything(name, head.as_ref())? {
                return self.keep(name, &commit, head.as_ref()).map(Some);
            }
        }
        match head {
            Some(head) if self.is_on_no_ref(admin_dir, &head)? => self.keep_commit(name, &head).map(Some),
            _ => Ok(None),
        }
    }

    /// Keeps a commit that a ref is about to leave.
    pub(crate) fn keep_commit(&self, name: &WorkspaceName, commit: &ObjectId) -> Result<Rescue> {
        self.keep(name, commit, Some(commit))
    }

    /// Returns the changes that `--autostash` put aside until a rebase or a merge ends. No ref holds them.
    fn parked(&self, admin_dir: &Path) -> Result<Vec<ObjectId>> {
        let mut found = Vec::new();
        for file in ["rebase-merge/autostash", "rebase-apply/autostash"] {
            let text = read_small(&admin_dir.join(file)).unwrap_or_default();
            if let Ok(id) = ObjectId::new(String::from_utf8_lossy(&text).trim()) {
                found.extend(self.commit_of(admin_dir, id.as_str())?);
            }
        }
        found.extend(self.commit_of(admin_dir, "MERGE_AUTOSTASH")?);
        found.dedup();
        Ok(found)
    }

    /// Keeps such changes like uncommitted work, so that they can be restored; the stash itself is the second parent.
    fn keep_parked(&self, name: &WorkspaceName, stash: &ObjectId) -> Result<Rescue> {
        let Some(base) = self.commit_of(self.root(), &format!("{stash}^1"))? else {
            return self.keep_commit(name, stash);
        };
        let tree = self.git.read(self.root(), "rev-parse").arg(format!("{stash}^{{tree}}")).text()?;
        let call = self.git.write(self.root(), "commit-tree");
        let parents = [base.as_str(), stash.as_str()];
        let commit = self.commit_tree(call, &tree, &parents, &format!("{SUBJECT}{name}\n"))?;
        self.keep(name, &commit, Some(&base))
    }

    /// Makes a commit by the person; `call` is a `commit-tree` without arguments.
    fn commit_tree(&self, call: Call<'_>, tree: &str, parents: &[&str], message: &str) -> Result<ObjectId> {
        let who = self.identity(self.root())?;
        let mut call = call.arg(tree);
        for parent in parents {
            call = call.args(["-p", parent]);
        }
        let id = call
            .env("GIT_AUTHOR_NAME", &who.name)
            .env("GIT_AUTHOR_EMAIL", &who.email)
            .env("GIT_COMMITTER_NAME", &who.name)
            .env("GIT_COMMITTER_EMAIL", &who.email)
            .input(message)
            .text()?;
        self.object_id("commit-tree", &id)
    }

    fn keep(&self, name: &WorkspaceName, commit: &ObjectId, made_on: Option<&ObjectId>) -> Result<Rescue> {
        let mut millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        loop {
            let reference = format!("{PREFIX}{name}/{}", time_text(millis));
            let zero = commit.zero_like();
            match self.update_ref(self.root(), &reference, commit.as_str(), &zero, "missiond: rescue") {
                Ok(()) => {
                    tracing::info!(%name, reference, "work kept");
                    let time =
                        UNIX_EPOCH + Duration::from_secs(u64::try_from(millis / 1000).unwrap_or_default());
                    return Ok(Rescue {
                        reference,
                        workspace: name.clone(),
                        commit: commit.clone(),
                        made_on: made_on.cloned(),
                        time,
                    });
                }
                // Two in one millisecond.
                Err(Error::RefMoved { .. }) => millis += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn is_on_no_ref(&self, admin_dir: &Path, head: &ObjectId) -> Result<bool> {
        let out = self
            .git
            .read(admin_dir, "rev-list")
            .args(["--max-count=1", head.as_str(), "--not", "--branches", "--tags", "--remotes"])
            .arg(format!("--glob={PREFIX}*"))
            .text()?;
        Ok(!out.is_empty())
    }
}

/// An index beside the worktree's own, which stays as it is. Deleted when dropped.
struct TemporaryIndex {
    path: PathBuf,
}

impl TemporaryIndex {
    fn empty(repo: &Repository) -> Result<Self> {
        let dir = repo.state_dir().join("tmp");
        fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        Ok(Self { path: dir.join(format!("index-{}", record::unique())) })
    }

    fn copy_of(repo: &Repository, index: &Path) -> Result<Self> {
        let temporary = Self::empty(repo)?;
        let (file, meta) = match open_regular(index) {
            Ok(opened) => opened,
            // Without an index every file is new.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(temporary),
            Err(_) => return Err(Error::UnusablePath { path: index.to_owned(), reason: NO_FILE }),
        };
        let copy = || {
            let mut copy = File::create_new(&temporary.path)?;
            io::copy(&mut file.take(meta.len()), &mut copy)?;
            // Git compares the contents of files that changed at the time of the index or later, as their times tell
            // nothing then: with a copy's own, later time it would overlook changes of the same size.
            copy.set_modified(meta.modified()?)
        };
        copy().map_err(Error::io("copy", index))?;
        Ok(temporary)
    }
}

impl Drop for TemporaryIndex {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

/// A worktree seen through another index, and perhaps at another place.
struct Detour<'a> {
    repo: &'a Repository,
    admin_dir: &'a Path,
    tree: &'a Path,
    index: &'a Path,
}

impl<'a> Detour<'a> {
    fn git(&self, subcommand: &str) -> Call<'a> {
        self.repo
            .git
            .write(self.tree, subcommand)
            .env("GIT_DIR", self.admin_dir)
            .env("GIT_COMMON_DIR", self.repo.common_dir())
            .env("GIT_WORK_TREE", self.tree)
            .env("GIT_INDEX_FILE", self.index)
            .exact()
    }

    /// Commits all files that aren't ignored; `None` if that is what HEAD and the index hold already.
    fn commit_everything(&self, name: &WorkspaceName, head: Option<&ObjectId>) -> Result<Option<ObjectId>> {
        self.look_at_hidden_files()?;
        // Fails with unresolved conflicts; there is nothing in such an index that the files don't have.
        let staged = self.git("write-tree").output()?;
        let staged = (staged.code == 0).then(|| String::from_utf8_lossy(&staged.stdout).trim().to_owned());
        self.read_staged_files_anew(head)?;
        stage_everything(|subcommand| self.git(subcommand), self.tree, &[])?;
        self.refuse_other_repositories(name, head)?;
        let files = self.git("write-tree").text()?;
        let committed = match head {
            Some(head) => self.git("rev-parse").arg(format!("{head}^{{tree}}")).text()?,
            // The empty tree in this repository's hash.
            None => self.git("mktree").text()?,
        };
        let staged = staged.filter(|staged| *staged != files && *staged != committed);
        if files == committed && staged.is_none() {
            return Ok(None);
        }
        let staged = match staged {
            Some(tree) => {
                let subject = format!("missiond: index of {name}\n");
                Some(self.commit_tree(&tree, head.map(ObjectId::as_str).as_slice(), &subject)?)
            }
            None => None,
        };
        let parents: Vec<&str> = head.into_iter().chain(staged.as_ref()).map(ObjectId::as_str).collect();
        self.commit_tree(&files, &parents, &format!("{SUBJECT}{name}\n")).map(Some)
    }

    fn commit_tree(&self, tree: &str, parents: &[&str], message: &str) -> Result<ObjectId> {
        self.repo.commit_tree(self.git("commit-tree"), tree, parents, message)
    }

    /// Has git read the files again that are staged. What it holds of one that wasn't touched since may have other line
    /// ends than the file itself, which is to come back byte for byte.
    fn read_staged_files_anew(&self, head: Option<&ObjectId>) -> Result<()> {
        let Some(head) = head else { return Ok(()) };
        let call = self.git("diff-index").args(["--cached", "-z", "--name-only", "--diff-filter=AMT"]);
        let listed = call.args([head.as_str(), "--"]).bytes()?;
        let is_file = |path: &&[u8]| {
            fs::symlink_metadata(self.tree.join(to_path(path))).is_ok_and(|meta| meta.is_file())
        };
        let mut paths = Vec::new();
        for path in records(&listed).filter(is_file) {
            paths.extend_from_slice(path);
            paths.push(0);
        }
        if !paths.is_empty() {
            for how in ["--force-remove", "--add"] {
                self.git("update-index").args([how, "-z", "--stdin"]).input(paths.clone()).bytes()?;
            }
        }
        Ok(())
    }

    /// Lifts the marks that make git overlook a changed file: "assume unchanged", and "skip worktree" where there
    /// is a file all the same.
    fn look_at_hidden_files(&self) -> Result<()> {
        let listed = self.git("ls-files").args(["-v", "-z"]).bytes()?;
        let (mut assumed, mut skipped) = (Vec::new(), Vec::new());
        for entry in records(&listed) {
            let [tag, b' ', path @ ..] = entry else { continue };
            let list = match tag {
                b'S' | b's' if fs::symlink_metadata(self.tree.join(to_path(path))).is_ok() => &mut skipped,
                b'a'..=b'z' => &mut assumed,
                _ => continue,
            };
            list.extend_from_slice(path);
            list.push(0);
        }
        for (flag, paths) in [("--no-skip-worktree", skipped), ("--no-assume-unchanged", assumed)] {
            if !paths.is_empty() {
                self.git("update-index").args([flag, "-z", "--stdin"]).input(paths).bytes()?;
            }
        }
        Ok(())
    }

    /// Refuses repositories inside whose commits would be deleted with the workspace: a commit of ours holds only
    /// their commit's id.
    fn refuse_other_repositories(&self, name: &WorkspaceName, head: Option<&ObjectId>) -> Result<()> {
        let mut unsafe_paths = Vec::new();
        for path in gitlinks(self.git("ls-files"))? {
            let inside = self.tree.join(&path);
            if fs::symlink_metadata(inside.join(".git")).is_err() {
                // A submodule that isn't checked out.
                continue;
            }
            let known = match head {
                Some(head) => {
                    let mut spec = format!("{head}:").into_bytes();
                    spec.extend_from_slice(path.as_os_str().as_bytes());
                    let spec = to_path(&spec);
                    self.git("rev-parse")
                        .args(["--verify", "--quiet", "--end-of-options"])
                        .arg(spec)
                        .holds()?
                }
                None => false,
            };
            if !known || !is_published(&self.repo.git, &inside)? {
                unsafe_paths.push(path);
            }
        }
        if unsafe_paths.is_empty() {
            return Ok(());
        }
        Err(Error::NestedRepositories { name: name.to_string(), paths: unsafe_paths })
    }
}

/// Deletes a file below `top` and the directories above it that are empty then.
pub(crate) fn delete_with_empty_parents(top: &Path, file: &Path) -> Result<()> {
    record::remove_file(&top.join(file))?;
    for dir in file.ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty()) {
        if fs::remove_dir(top.join(dir)).is_err() {
            break;
        }
    }
    Ok(())
}

fn parse(reference: &str, commit: &str, parents: &str, subject: &str) -> Option<Rescue> {
    let (workspace, time) = reference.strip_prefix(PREFIX)?.rsplit_once('/')?;
    let commit = ObjectId::new(commit).ok()?;
    let made_on = if subject.starts_with(SUBJECT) {
        parents.split(' ').next().and_then(|parent| ObjectId::new(parent).ok())
    } else {
        Some(commit.clone())
    };
    Some(Rescue {
        reference: reference.to_owned(),
        workspace: WorkspaceName::new(workspace).ok()?,
        commit,
        made_on,
        time: UNIX_EPOCH + Duration::from_secs(parse_time(time)?),
    })
}

/// Writes milliseconds after 1970 as `20261121T091300.123Z`, which sorts by time and is valid in a ref name.
fn time_text(millis: u128) -> String {
    let seconds = millis / 1000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(u64::try_from(days).unwrap_or_default());
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{:03}Z", millis % 1000)
}

fn parse_time(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    if text.get(8..9) != Some("T") || !(1970..=9999).contains(&year) {
        return None;
    }
    // The year's first guess is at most a few days off, so the search is short.
    let guess = (year - 1970) * 365 + (month.max(1) - 1) * 28;
    let days = (guess..guess + 2500).find(|days| civil(*days) == (year, month, day))?;
    Some(days * 86_400 + number(9, 11)? * 3600 + number(11, 13)? * 60 + number(13, 15)?)
}

/// Converts days after 1970-01-01 to a date in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level
/// date algorithms", `civil_from_days`, for days that aren't negative).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}
