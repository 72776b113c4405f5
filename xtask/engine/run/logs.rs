//! Log files: one a step, private to the user, complete up to a bound.
//!
//! What comes here is masked already. It knows nothing of processes or of what is shown.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

use camino::{Utf8Path, Utf8PathBuf};

/// Of a longer log so much of its beginning is kept, and as much of its end.
pub const HALF: u64 = 8 << 20;
/// The deployments of an environment whose logs are kept.
pub const KEPT: usize = 20;
/// What is written to a file at a time. For more at once, or a power of two, Linux looks for large pieces of memory to keep it
/// in, which may take ten times as long as copying it; for less it works more often.
const PIECE: usize = 120_000;

/// The folder of the logs of one deployment.
#[must_use]
pub fn folder(logs: &Utf8Path, environment: &str, deployment: &str) -> Utf8PathBuf {
    logs.join(environment).join(deployment)
}

/// The name of a step's log.
#[must_use]
pub fn file_name(step: &str) -> String {
    format!("{}.log", step.replace('/', "__"))
}

/// The log of one step. The file is made when there is something to write.
#[derive(Debug)]
pub struct Log {
    path: Utf8PathBuf,
    half: u64,
    file: Option<File>,
    /// The end of what is too long, in a ring.
    ring: Option<File>,
    written: u64,
    error: Option<String>,
}

impl Log {
    #[must_use]
    pub fn new(folder: &Utf8Path, step: &str) -> Log {
        Log::bounded(folder, step, HALF)
    }

    fn bounded(folder: &Utf8Path, step: &str, half: u64) -> Log {
        Log { path: folder.join(file_name(step)), half, file: None, ring: None, written: 0, error: None }
    }

    /// Where it is, if anything was written.
    #[must_use]
    pub fn path(&self) -> Option<&Utf8Path> {
        self.file.is_some().then_some(&self.path)
    }

    /// Writes what a step has printed. The first failure is given back once, as words; later ones are silent: a full
    /// disk is no reason to stop a deployment that is recorded elsewhere.
    pub fn write(&mut self, bytes: &[u8]) -> Option<String> {
        if self.error.is_some() || bytes.is_empty() {
            return None;
        }
        let error = self.append(bytes).err()?;
        self.error = Some(format!("{} cannot be written any more: {error}", self.path));
        self.error.clone()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            if let Some(folder) = self.path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            self.file = Some(open(&self.path)?);
        }
        let Some(file) = &mut self.file else { unreachable!("it was made just now") };
        let head = usize::try_from(self.half.saturating_sub(self.written)).unwrap_or(usize::MAX).min(bytes.len());
        in_pieces(file, &bytes[..head])?;
        self.written += head as u64;
        let mut rest = &bytes[head..];
        while !rest.is_empty() {
            let ring = match &mut self.ring {
                Some(ring) => ring,
                none => none.insert(open(&self.path.with_extension("tail"))?),
            };
            let at = (self.written - self.half) % self.half;
            let count = rest.len().min(usize::try_from(self.half - at).unwrap_or(usize::MAX));
            if at == 0 {
                ring.seek(SeekFrom::Start(0))?;
            }
            in_pieces(ring, &rest[..count])?;
            self.written += count as u64;
            rest = &rest[count..];
        }
        Ok(())
    }

    /// Puts the end of what was too long behind its beginning.
    pub fn finish(&mut self) -> Option<String> {
        let error = self.join().err()?;
        Some(format!("{} is not complete: {error}", self.path))
    }

    fn join(&mut self) -> io::Result<()> {
        let (Some(file), Some(mut ring)) = (&mut self.file, self.ring.take()) else { return Ok(()) };
        let tail = self.written - self.half;
        let missing = tail.saturating_sub(self.half);
        if missing > 0 {
            write!(
                file,
                "\n[… {missing} bytes are missing here: a log keeps its first and its last {} bytes …]\n",
                self.half
            )?;
            let oldest = tail % self.half;
            ring.seek(SeekFrom::Start(oldest))?;
            io::copy(&mut ring, file)?;
            ring.seek(SeekFrom::Start(0))?;
            io::copy(&mut ring.take(oldest), file)?;
        } else {
            ring.seek(SeekFrom::Start(0))?;
            io::copy(&mut ring, file)?;
        }
        fs::remove_file(self.path.with_extension("tail"))
    }
}

/// Writes all of `bytes` to a file, in pieces of a size that is quick.
///
/// # Errors
/// As [`Write::write_all`].
pub fn in_pieces(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    bytes.chunks(PIECE).try_for_each(|piece| file.write_all(piece))
}

fn open(path: &Utf8Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Makes room for the logs of a deployment, `own`: with them there are [`KEPT`] of an environment, the newest.
///
/// # Errors
/// If a folder cannot be read or removed.
pub fn prune(logs: &Utf8Path, environment: &str, own: &Utf8Path) -> io::Result<()> {
    let others = newest_first(&logs.join(environment))?.into_iter().filter(|folder| folder != own);
    for folder in others.skip(KEPT - 1) {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// The logs of the newest deployment of an environment that has any: the id of the deployment, and name (as in
/// [`file_name`]) and path of each log, in the order in which they were begun.
///
/// # Errors
/// If there are none, or they cannot be read.
pub fn newest(logs: &Utf8Path, environment: &str) -> io::Result<(String, Vec<(String, Utf8PathBuf)>)> {
    let none =
        || io::Error::new(io::ErrorKind::NotFound, format!("there are no logs of {environment} on this machine"));
    let folder = newest_first(&logs.join(environment))?.into_iter().next().ok_or_else(none)?;
    let mut found = Vec::new();
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        let path = entry.path();
        if path.extension() == Some("log") {
            // Not every file system knows it; then they come by name.
            let begun = entry.metadata()?.created().ok();
            found.push((begun, path.file_name().unwrap_or_default().to_owned(), path.to_owned()));
        }
    }
    found.sort();
    let found = found.into_iter().map(|(_, name, path)| (name, path)).collect();
    Ok((folder.file_name().unwrap_or_default().to_owned(), found))
}

fn newest_first(folder: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
    let entries = match folder.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry?;
        let data = entry.metadata()?;
        if data.is_dir() {
            all.push((data.modified()?, entry.into_path()));
        }
    }
    all.sort();
    Ok(all.into_iter().rev().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn fault_18_a_log_keeps_its_head_and_its_tail() {
        let folder =
            Utf8PathBuf::try_from(std::env::temp_dir()).unwrap().join(format!("ciao-logs-{}", std::process::id()));
        for length in [0_usize, 5, 10, 15, 20, 21, 27, 30, 99] {
            for chunk in [1, 3, 7, 100] {
                let text: Vec<u8> = (0..length).map(|n| b'a' + (n % 26) as u8).collect();
                let mut log = Log::bounded(&folder, "a/b", 10);
                text.chunks(chunk).for_each(|bytes| assert_eq!(log.write(bytes), None));
                assert_eq!(log.finish(), None);
                let Some(path) = log.path() else {
                    assert_eq!(length, 0);
                    continue;
                };
                assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
                let mut kept = Vec::new();
                File::open(path).unwrap().read_to_end(&mut kept).unwrap();
                if length <= 20 {
                    assert_eq!(kept, text);
                } else {
                    let note = format!("\n[… {} bytes are missing here", length - 20);
                    assert!(kept.starts_with(&[&text[..10], note.as_bytes()].concat()));
                    assert!(kept.ends_with(&text[length - 10..]), "{length} {chunk}");
                }
                assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
            }
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
