//! Commands that make, change and remove files.

use super::{NONE, spec};
use crate::{
    preset::Act,
    shell::grammar::{Operands as O, Options, Spec},
};

#[rustfmt::skip]
pub(super) const FILES: &[Spec] = &[
    spec("mkdir", Act::WriteInside, O::Write, Options::Only(&["-p", "-v", "-m=", "--parents", "--verbose", "--mode="])),
    spec("touch", Act::WriteInside, O::Write, Options::Only(&["-a", "-c", "-m", "-d=", "-t=", "-r<", "--no-create", "--date=", "--reference<"])),
    spec("tee", Act::WriteInside, O::Write, Options::Only(&["-a", "--append"])),
    spec("chmod", Act::WriteInside, O::Mode, Options::Only(&["-R", "-v", "-c", "-f", "--recursive", "--verbose"])),
    spec("cp", Act::WriteInside, O::Copy, Options::Only(&["-r", "-R", "-a", "-f", "-v", "-p", "-n", "-u", "-i", "-T", "-t>", "--recursive", "--archive", "--force", "--verbose", "--preserve", "--no-clobber", "--update", "--target-directory>"])),
    spec("mv", Act::WriteInside, O::Move, Options::Only(&["-f", "-v", "-n", "-u", "-i", "-T", "-t>", "--force", "--verbose", "--no-clobber", "--update", "--target-directory>"])),
    spec("rm", Act::DeleteInside, O::Delete, Options::Only(&["-r", "-R", "-f", "-v", "-i", "-I", "-d", "--recursive", "--force", "--verbose", "--dir", "--one-file-system", "--preserve-root"])),
    spec("rmdir", Act::DeleteInside, O::Delete, Options::Only(&["-v", "--verbose", "--ignore-fail-on-non-empty"])),
    spec("unlink", Act::DeleteInside, O::Delete, NONE),
    // Less common.
    spec("mktemp", Act::WriteInside, O::Write, Options::Only(&["-d", "-q", "-u", "-p>", "--directory", "--tmpdir>", "--suffix="])),
    spec("truncate", Act::WriteInside, O::Write, Options::Only(&["-s=", "-c", "-o", "-r<", "--size="])),
    spec("gzip", Act::WriteInside, O::Delete, Options::Only(&["-k", "-f", "-v", "-#", "--keep", "--force", "--best", "--fast"])),
    spec("gunzip", Act::WriteInside, O::Delete, Options::Only(&["-k", "-f", "-v", "--keep", "--force"])),
    spec("bzip2", Act::WriteInside, O::Delete, Options::Only(&["-k", "-f", "-v", "-#", "-d"])),
    spec("xz", Act::WriteInside, O::Delete, Options::Only(&["-k", "-f", "-v", "-#", "-d"])),
    spec("zstd", Act::WriteInside, O::Delete, Options::Only(&["-k", "-f", "-v", "-q", "-#", "-d"])),
    spec("install -d", Act::WriteInside, O::Write, Options::Only(&["-v", "-m="])),
];
