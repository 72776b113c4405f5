//! Files that git was told not to look at (`assume-unchanged`, `skip-worktree`) and that differ from the commit: `git status`
//! says nothing of them. It reads git's index, and knows no pipelines.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::git::Git;
use super::pack::{self, Kind};

/// Bits of an index entry's flags, and of those of an extended one (version 3 on).
const ASSUME_UNCHANGED: u16 = 0x8000;
const EXTENDED: u16 = 0x4000;
const SKIP_WORKTREE: u16 = 0x4000;

/// The first file that `holds` takes, from the folder that `pipelines` is in, that git does not look at and that is not what
/// the index has of it. One that is not there hides nothing: so it is in a sparse checkout. `width`: how many bytes names of
/// objects have. An index that cannot be read hides nothing: git itself would have said so.
pub fn differs(git: &Git, width: usize, holds: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let index = std::fs::read(&git.index).ok()?;
    let differs = |entry: &Entry| {
        let full = git.root.join(OsStr::from_bytes(&entry.path));
        let bytes = match std::fs::read_link(&full) {
            Ok(leads_to) => leads_to.into_os_string().into_vec(),
            Err(_) => std::fs::read(full).ok()?,
        };
        (pack::name(Kind::Blob, &bytes, width == 32) != entry.id).then_some(())
    };
    entries(&index, width).into_iter().find_map(|entry| {
        let file =
            Path::new(OsStr::from_bytes(&entry.path)).strip_prefix(&git.prefix).ok().filter(|file| holds(file))?;
        differs(&entry).map(|()| file.to_owned())
    })
}

struct Entry {
    path: Vec<u8>,
    id: Vec<u8>,
}

/// Those that git does not look at, of an index whose names of objects have `width` bytes.
fn entries(index: &[u8], width: usize) -> Vec<Entry> {
    let mut hidden = Vec::new();
    // A format that is not known hides nothing; git's documentation of it is gitformat-index.
    let _unknown = read(index, width, &mut hidden);
    hidden
}

fn read(index: &[u8], width: usize, hidden: &mut Vec<Entry>) -> Option<()> {
    let number = |at: usize| Some(u32::from_be_bytes(index.get(at..at + 4)?.try_into().ok()?));
    let short = |at: usize| Some(u16::from_be_bytes(index.get(at..at + 2)?.try_into().ok()?));
    let version = number(4).filter(|version| index.starts_with(b"DIRC") && (2..=4).contains(version))?;
    let (mut at, mut path) = (12, Vec::new());
    for _ in 0..number(8)? {
        let start = at;
        let id = index.get(at + 40..at + 40 + width)?;
        at += 40 + width;
        let flags = short(at)?;
        at += 2;
        let mut skipped = false;
        if flags & EXTENDED != 0 {
            skipped = short(at)? & SKIP_WORKTREE != 0;
            at += 2;
        }
        if version == 4 {
            path.truncate(path.len().checked_sub(varint(index, &mut at)?)?);
        } else {
            path.clear();
        }
        let end = at + index.get(at..)?.iter().position(|&byte| byte == 0)?;
        path.extend_from_slice(&index[at..end]);
        at = if version == 4 { end + 1 } else { start + (end - start) / 8 * 8 + 8 };
        if skipped || flags & ASSUME_UNCHANGED != 0 {
            hidden.push(Entry { path: path.clone(), id: id.to_vec() });
        }
    }
    Some(())
}

/// As git writes an offset: seven bits a byte, the highest first, and one more for each that follows.
fn varint(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0_usize;
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value = value.checked_mul(128)? + usize::from(byte & 127);
        if byte & 128 == 0 {
            return Some(value);
        }
        value += 1;
    }
}
