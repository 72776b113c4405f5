//! What nobody has read yet, in a file that has no name: so that a reader who pauses misses nothing, and nobody waits for it.
//!
//! It knows nothing of what is written; what is secret has been masked before.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

/// Bytes that are read in the order in which they came.
#[derive(Debug, Default)]
pub struct Spool {
    file: Option<File>,
    written: u64,
    read: u64,
}

impl Spool {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read == self.written
    }

    /// # Errors
    /// If there is no room for them: none of them are kept.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(nameless()?),
        };
        file.write_all_at(bytes, self.written)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Appends the next bytes to `to`, at most so many. What cannot be read any more is lost.
    pub fn read(&mut self, most: usize, to: &mut Vec<u8>) {
        let Some(file) = &self.file else { return };
        let left = usize::try_from(self.written - self.read).unwrap_or(usize::MAX);
        let (start, count) = (to.len(), left.min(most));
        to.resize(start + count, 0);
        if file.read_exact_at(&mut to[start..], self.read).is_err() {
            to.truncate(start);
        }
        self.read += count as u64;
        if self.is_empty() {
            // Its room on the disk is given back.
            *self = Spool::default();
        }
    }
}

fn nameless() -> io::Result<File> {
    let path =
        std::env::temp_dir().join(format!("ciao-output-{}-{:?}", std::process::id(), std::thread::current().id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let (mut spool, mut out) = (Spool::default(), Vec::new());
        for round in 0..3_u8 {
            spool.write(&[round; 100]).unwrap();
            spool.write(&[round + 10; 50]).unwrap();
            spool.read(120, &mut out);
            assert!(!spool.is_empty());
            spool.read(1000, &mut out);
            assert!(spool.is_empty());
        }
        let expected: Vec<u8> =
            (0..3).flat_map(|round| [[round; 100].as_slice(), &[round + 10; 50]].concat()).collect();
        assert_eq!(out, expected);
    }
}
