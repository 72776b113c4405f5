//! The objects of one event as one pack, written here: two files in the formats that git documents (gitformat-pack).
//!
//! Loose objects that no ref names yet are what `git gc --prune=now` takes, and a pack of them is what
//! `git repack -a -d` takes, also when the ref moves while they run. Neither touches a pack that came after they looked,
//! nor one with a `.keep` file: so an event comes whole, also what the repository has already, and is kept until its ref
//! has moved. Files that are not finished have a name that no git removes.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ciao_base::checksum::{adler32, crc32};
use hmac_sha256::Hash as Sha256;
use sha1_smol::Sha1;

use super::git::Git;
use super::{Result, hex};

/// What every file of ours in the folder of packs says or ends in, until it is part of a pack.
pub const OURS: &str = "ciao";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Commit = 1,
    Tree = 2,
    Blob = 3,
}

/// Objects, and the length of their names: SHA-1 or SHA-256.
#[derive(Debug)]
pub struct Pack {
    wide: bool,
    entries: Vec<Entry>,
    body: Vec<u8>,
}

/// Where an object is, as the index tells it.
#[derive(Debug)]
struct Entry {
    id: Vec<u8>,
    crc: u32,
    offset: u32,
}

/// How long the head of a pack is.
const HEAD: usize = 12;

/// Keeps a pack from every gc until it is dropped.
#[derive(Debug)]
pub struct Kept(Option<PathBuf>);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // One that stays keeps a few kilobytes from being packed anew.
            let _stays = std::fs::remove_file(path);
        }
    }
}

/// What git calls an object; `wide`: by SHA-256, and not by SHA-1.
#[must_use]
pub fn name(kind: Kind, content: &[u8], wide: bool) -> Vec<u8> {
    let word = match kind {
        Kind::Commit => "commit",
        Kind::Tree => "tree",
        Kind::Blob => "blob",
    };
    digest(&[format!("{word} {}\0", content.len()).as_bytes(), content].concat(), wide)
}

fn digest(bytes: &[u8], wide: bool) -> Vec<u8> {
    if wide { Sha256::hash(bytes).to_vec() } else { Sha1::from(bytes).digest().bytes().to_vec() }
}

impl Pack {
    pub fn new(wide: bool) -> Pack {
        Pack { wide, entries: Vec::new(), body: Vec::new() }
    }

    fn digest(&self, bytes: &[u8]) -> Vec<u8> {
        digest(bytes, self.wide)
    }

    /// Adds an object; its name.
    pub fn add(&mut self, kind: Kind, content: &[u8]) -> Vec<u8> {
        let id = name(kind, content, self.wide);
        if self.entries.iter().any(|entry| entry.id == id) {
            return id;
        }
        let start = self.body.len();
        let mut size = content.len();
        let mut byte = ((kind as u8) << 4) | low(size, 0x0f);
        size >>= 4;
        while size > 0 {
            self.body.push(byte | 0x80);
            byte = low(size, 0x7f);
            size >>= 7;
        }
        self.body.push(byte);
        stored(content, &mut self.body);
        let offset = u32::try_from(HEAD + start).unwrap_or_else(|_| unreachable!("an event is no four gigabytes"));
        self.entries.push(Entry { id: id.clone(), crc: crc32(0, &self.body[start..]), offset });
        id
    }

    /// The pack, and the index of it.
    fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let count = u32::try_from(self.entries.len()).unwrap_or_else(|_| unreachable!("an event is a few files"));
        let mut pack = [&b"PACK\0\0\0\x02"[..], &count.to_be_bytes(), &self.body].concat();
        let digest = self.digest(&pack);
        pack.extend_from_slice(&digest);
        let mut sorted: Vec<&Entry> = self.entries.iter().collect();
        sorted.sort_by(|left, right| left.id.cmp(&right.id));
        let mut index = b"\xfftOc\0\0\0\x02".to_vec();
        for first in 0..=u8::MAX {
            let up_to = sorted.partition_point(|entry| entry.id[0] <= first);
            index.extend(u32::try_from(up_to).unwrap_or(count).to_be_bytes());
        }
        sorted.iter().for_each(|entry| index.extend_from_slice(&entry.id));
        sorted.iter().for_each(|entry| index.extend(entry.crc.to_be_bytes()));
        sorted.iter().for_each(|entry| index.extend(entry.offset.to_be_bytes()));
        index.extend(digest);
        index.extend(self.digest(&index));
        (pack, index)
    }

    /// Writes the pack into the repository. It is on disk, and kept while the answer lives.
    ///
    /// # Errors
    /// If it cannot be written; then nothing of it is seen by any git.
    pub fn write(&self, git: &Git, attempt: &str) -> Result<Kept> {
        let (pack, index) = self.bytes();
        let folder = git.common.join("objects/pack");
        let name = format!("pack-{}", hex(&pack[pack.len() - if self.wide { 32 } else { 20 }..]));
        let shared = git.setting("core.sharedrepository");
        let written = std::fs::create_dir_all(&folder).and_then(|()| {
            let keep = folder.join(format!("{name}.keep"));
            std::fs::write(&keep, OURS)?;
            let kept = Kept(Some(keep));
            // The index last: it is what makes a pack.
            for (ending, bytes) in [("pack", &pack), ("idx", &index)] {
                place(&folder, &format!("{name}.{ending}"), bytes, shared)?;
            }
            File::open(&folder)?.sync_all()?;
            Ok(kept)
        });
        written.map_err(|error| git.failure(attempt, &format!("{}: {error}", folder.display())))
    }
}

/// Puts a file into its place, whole and synced, or not at all.
fn place(folder: &Path, name: &str, bytes: &[u8], shared: Option<&str>) -> io::Result<()> {
    let draft = folder.join(format!("{name}.{OURS}"));
    let made =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&draft).and_then(|mut file| {
            file.write_all(bytes)?;
            let mode = file.metadata()?.permissions().mode();
            file.set_permissions(Permissions::from_mode(readable_by(shared, mode)))?;
            file.sync_all()?;
            std::fs::rename(&draft, folder.join(name))
        });
    if made.is_err() {
        // What cannot be written whole takes no room where there is none.
        let _stays_and_is_old_some_day = std::fs::remove_file(&draft);
    }
    made
}

/// Who may read a pack, as `core.sharedRepository` has it; nobody writes to one.
fn readable_by(shared: Option<&str>, mode: u32) -> u32 {
    let more = match shared.unwrap_or_default() {
        "group" | "true" | "1" => 0o440,
        "all" | "world" | "everybody" | "2" => 0o444,
        octal if octal.starts_with('0') && octal.len() > 1 => {
            return u32::from_str_radix(octal, 8).unwrap_or(mode) & 0o444;
        }
        _ => 0,
    };
    (mode | more) & 0o444
}

fn low(size: usize, mask: u8) -> u8 {
    (size & usize::from(mask)).to_le_bytes()[0]
}

/// The zlib format without compression (RFC 1950, RFC 1951): an event is small, and the next gc compresses it.
fn stored(content: &[u8], out: &mut Vec<u8>) {
    out.extend([0x78, 0x01]);
    let mut rest = content;
    loop {
        let (block, after) = rest.split_at(rest.len().min(0xffff));
        rest = after;
        let [low, high, ..] = block.len().to_le_bytes();
        out.extend([u8::from(rest.is_empty()), low, high, !low, !high]);
        out.extend_from_slice(block);
        if rest.is_empty() {
            break;
        }
    }
    out.extend(adler32(content).to_be_bytes());
}

/// A tree of files, `(name, id)` in any order.
pub fn tree(mut files: Vec<(String, Vec<u8>)>) -> Vec<u8> {
    files.sort();
    files.iter().flat_map(|(name, id)| [format!("100644 {name}\0").as_bytes(), id].concat()).collect()
}

/// The files of a tree, `(name, id)`.
pub fn files(mut tree: &[u8], wide: bool) -> Vec<(String, Vec<u8>)> {
    let width = if wide { 32 } else { 20 };
    let mut found = Vec::new();
    while let Some(end) = tree.iter().position(|&byte| byte == 0) {
        let name = String::from_utf8_lossy(&tree[..end]).into_owned();
        let name = name.split_once(' ').map_or(name.clone(), |(_, name)| name.to_owned());
        let Some(id) = tree.get(end + 1..end + 1 + width) else { break };
        found.push((name, id.to_vec()));
        tree = &tree[end + 1 + width..];
    }
    found
}
