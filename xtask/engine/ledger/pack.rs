//! The objects of one event as one pack, made here.
//!
//! Loose objects that no ref names yet are what `git gc --prune=now` takes, and a pack of them is what
//! `git repack -a -d` takes, also when the ref moves while they run. Neither touches a pack that came after they looked,
//! nor one with a `.keep` file: so an event comes whole, also what the repository has already, and is kept until its ref
//! has moved.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::git::{Call, Git};
use super::{Result, hex, sha1};

/// How often a pack is written anew: two seconds in all.
const TRIES: u64 = 64;

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
    count: u32,
    body: Vec<u8>,
}

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

impl Pack {
    pub fn new(wide: bool) -> Pack {
        Pack { wide, count: 0, body: Vec::new() }
    }

    fn digest(&self, bytes: &[u8]) -> Vec<u8> {
        if self.wide { Sha256::digest(bytes).to_vec() } else { sha1::digest(bytes).to_vec() }
    }

    /// Adds an object; its name.
    pub fn add(&mut self, kind: Kind, content: &[u8]) -> Vec<u8> {
        let word = match kind {
            Kind::Commit => "commit",
            Kind::Tree => "tree",
            Kind::Blob => "blob",
        };
        let id = self.digest(&[format!("{word} {}\0", content.len()).as_bytes(), content].concat());
        self.count += 1;
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
        id
    }

    fn bytes(&self) -> Vec<u8> {
        let mut all = [&b"PACK\0\0\0\x02"[..], &self.count.to_be_bytes(), &self.body].concat();
        let digest = self.digest(&all);
        all.extend(digest);
        all
    }

    /// Hands the pack to git. It is synced, and kept while the answer lives.
    ///
    /// # Errors
    /// If git cannot write it.
    pub fn write(&self, git: &Git, attempt: &str) -> Result<Kept> {
        let bytes = self.bytes();
        let name = hex(&bytes[bytes.len() - if self.wide { 32 } else { 20 }..]);
        let kept = Kept(Some(git.common.join("objects/pack").join(format!("pack-{name}.keep"))));
        let call = Call::new(&["index-pack", "--stdin", "--keep=ciao"]).stdin(bytes);
        for tries in 1.. {
            let said = git.call(&call)?;
            if said.ok {
                break;
            }
            // A prune removes what git is just writing, and what it has just compared with. No ref has moved: once more.
            let words = &said.stderr;
            let pruned = ["No such file or directory", "cannot read existing object", "unable to read"];
            if tries == TRIES || !pruned.iter().any(|pruned| words.contains(pruned)) {
                return Err(git.local_failure(attempt, &said));
            }
            std::thread::sleep(Duration::from_millis(tries.min(50)));
        }
        Ok(kept)
    }
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
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in content {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    out.extend(((b << 16) | a).to_be_bytes());
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
