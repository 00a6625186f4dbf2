use std::path::Path;

use super::{Hit, Judge};
use crate::{
    path::{Access, Place},
    preset::Act,
    shell::Word,
    text::quoted,
    verdict::Verdict,
};

impl Judge<'_> {
    /// A path that git is given and that lies in no repository of the agent's: git then compares directories of any kind.
    pub(super) fn outside_of_repository(&self, word: &Word, start: &Path, whole: Option<Hit<'_>>) -> Verdict {
        let absolute = word.tilde || word.text.starts_with('/') || word.text.starts_with("..");
        let target = self.target(word, start);
        let place = absolute
            .then(|| self.roots.locate(&target.to_string_lossy(), start, self.links).ok())
            .flatten()
            .map(|located| located.standing(Access::Read, &self.roots).place);
        if place == Some(Place::Elsewhere) && word.text != "/dev/null" {
            let detail = format!("git would read {}", quoted(&word.text));
            return self.settle(Act::ForeignRepository, whole, &detail);
        }
        self.settle(Act::Inspect, None, "a path of the repository")
    }

    /// git that runs in this directory: whether it would find another repository than the workspace's.
    ///
    /// A repository's configuration names programs that git runs even for `git status`, and files in a directory that
    /// looks like a bare repository are files like any others.
    pub(super) fn repository(&self, start: &Path, whole: Option<Hit<'_>>) -> Verdict {
        let fine = || self.settle(Act::Inspect, None, "the workspace's own repository");
        let Ok(located) = self.roots.locate(&start.to_string_lossy(), start, self.links) else {
            return self.settle(Act::BadPath, None, "the directory git runs in can't be judged");
        };
        if located.standing(Access::Read, &self.roots).place == Place::Elsewhere {
            let detail = format!("git would run in {}", quoted(&start.to_string_lossy()));
            return self.settle(Act::ForeignRepository, whole, &detail);
        }
        for reached in &located.reached {
            for directory in reached.ancestors() {
                let own = self.roots.workspace.iter().any(|workspace| workspace == directory);
                let has = |name: &str| self.links.exists(&directory.join(name));
                // As git looks: `.git` first, then whether the directory itself is a repository.
                let repository = has(".git");
                if own && repository {
                    break;
                }
                if repository || (has("HEAD") && has("objects") && has("refs")) {
                    let detail =
                        format!("git would use the repository in {}", quoted(&directory.to_string_lossy()));
                    return self.settle(Act::ForeignRepository, whole, &detail);
                }
                if own {
                    break;
                }
            }
        }
        fine()
    }
}
