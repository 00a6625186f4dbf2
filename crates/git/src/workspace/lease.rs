use crate::owner::Owner;
use crate::{Error, Repository, Result, WorkspaceName};

use super::stored::Stored;

/// Who holds a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The name the holder gave itself.
    pub holder: String,
    /// The process that took the lease, for a person to read.
    pub owner: String,
}

impl Repository {
    /// Reserves a workspace for one holder. It lasts until it is released or the calling process ends.
    ///
    /// The same holder may take it again, also from another process.
    ///
    /// # Errors
    /// [`Error::Leased`] if another holder has it, [`Error::NoSuchWorkspace`], [`Error::Busy`].
    pub fn lease(&self, name: &WorkspaceName, holder: &str) -> Result<()> {
        if holder.is_empty() || holder.len() > 200 || holder.contains('\0') {
            let reason = "it must have 1 to 200 bytes and no NUL";
            return Err(Error::InvalidName {
                what: "lease holder",
                name: holder.chars().take(200).collect(),
                reason,
            });
        }
        let _lock = self.lock("lease a workspace")?;
        let mut stored = Stored::load_ready(self, name)?;
        stored.refuse_other_holder(Some(holder))?;
        stored.lease = Some((holder.to_owned(), Owner::this_process()));
        stored.store(self)
    }

    /// Gives a workspace back. Doing so twice is no error.
    ///
    /// # Errors
    /// [`Error::Leased`] if another holder has it, [`Error::NoSuchWorkspace`], [`Error::Busy`].
    pub fn release(&self, name: &WorkspaceName, holder: &str) -> Result<()> {
        let _lock = self.lock("release a workspace")?;
        let mut stored = Stored::load_ready(self, name)?;
        stored.refuse_other_holder(Some(holder))?;
        stored.lease = None;
        stored.store(self)
    }
}

impl Stored {
    pub(super) fn refuse_other_holder(&self, holder: Option<&str>) -> Result<()> {
        match self.live_lease() {
            Some(lease) if holder != Some(lease.holder.as_str()) => {
                Err(Error::Leased { name: self.name.to_string(), holder: lease.holder, owner: lease.owner })
            }
            _ => Ok(()),
        }
    }
}
